// What one rank saved, several load, each a part: its checksum goes from rank to rank, so that a file is read once and damage is
// found all the same.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

constexpr std::uint64_t page_bytes = 4096;

class SplitChunks : public testing::Test {
 protected:
  void SetUp() override {
    if (rank_ == 0) {
      SampleTensor rows = tensor("rows", whole(shape_)), columns = tensor("columns", whole(shape_));
      StateDict state;
      Checkpointer checkpointer(MPI_COMM_SELF, {.directory = folder_});
      for (SampleTensor* saved : {&rows, &columns}) {
        saved->fill();
        state.add(saved->name(), saved->view());
      }
      checkpointer.async_save(1, state).wait();
      checkpointer.close();
    }
    MPI_Barrier(MPI_COMM_WORLD);
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = folder_, .read_only = true});
  }
  void TearDown() override { checkpointer_->close(); }

  SampleTensor tensor(const char* name, const Box& box) const { return {name, DType::i16, shape_, box, 7, ghosts_}; }
  /// Of this rank: uneven, and in no order of ranks.
  [[nodiscard]] Box part(std::size_t dimension) const {
    const std::uint64_t turn = (rank_ + 1) % ranks_, extent = shape_[dimension];
    const auto cut = [&](std::uint64_t i) { return i * i * extent / (ranks_ * ranks_); };
    Box box = whole(shape_);
    box.offset[dimension] = cut(turn);
    box.extent[dimension] = cut(turn + 1) - cut(turn);
    return box;
  }
  /// Of all ranks, over the bytes of a tensor.
  [[nodiscard]] double read_of_needed(const LoadReport& report) const {
    std::uint64_t bytes = report.read_bytes;
    MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    return static_cast<double>(bytes) / static_cast<double>(volume(shape_) * sizeof(std::int16_t));
  }
  /// Flips a bit of an element in the file.
  void damage(const char* name, std::uint64_t element) const {
    const std::filesystem::path path = folder_ / "latest";
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
    const auto offset = static_cast<std::streamoff>(H5Dget_offset(dataset) + element * sizeof(std::int16_t));
    H5Dclose(dataset);
    H5Fclose(file);
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(offset);
    const auto flipped = static_cast<char>(bytes.get() ^ 0x10);
    bytes.seekp(offset);
    bytes.put(flipped);
  }
  void expect_damage_found(const char* name, std::size_t dimension) {
    for (const std::uint64_t element : {std::uint64_t{0}, volume(shape_) / 2, volume(shape_) - 1}) {
      const std::string dataset = std::string("/state/") + name;
      if (rank_ == 0) damage(dataset.c_str(), element);
      MPI_Barrier(MPI_COMM_WORLD);
      SampleTensor loaded = tensor(name, part(dimension));
      StateDict state;
      state.add(name, loaded.view());
      expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {name},
                        [&] { checkpointer_->load(state, {.step = 1, .strict = false}); });
      if (rank_ == 0) damage(dataset.c_str(), element);  // flips it back
      MPI_Barrier(MPI_COMM_WORLD);
      EXPECT_NO_THROW(checkpointer_->load(state, {.step = 1, .strict = false}));
      EXPECT_EQ(loaded.mistake(), "");
    }
  }

  const std::uint64_t rank_ = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  const Shape shape_ = {300, 2048};
  const std::uint64_t ghosts_ = 1;
  SharedDirectory directory_;
  const std::filesystem::path folder_ = directory_.path() / "ckpt";
  std::optional<Checkpointer> checkpointer_;
};

TEST_F(SplitChunks, RowsAreReadOnce) {
  SampleTensor loaded = tensor("rows", part(0));
  StateDict state;
  state.add("rows", loaded.view());
  const double read = read_of_needed(checkpointer_->load(state, {.strict = false}));
  EXPECT_EQ(loaded.mistake(), "");
  const double pages = static_cast<double>(2 * page_bytes * ranks_) / static_cast<double>(volume(shape_) * sizeof(std::int16_t));
  EXPECT_GE(read, 1.0);
  EXPECT_LE(read, 1.0 + pages) << "only where ranks meet, whole pages may be read twice";
}

TEST_F(SplitChunks, ColumnsAreReadOnceMore) {
  SampleTensor loaded = tensor("columns", part(1));
  StateDict state;
  state.add("columns", loaded.view());
  const double read = read_of_needed(checkpointer_->load(state, {.strict = false}));
  EXPECT_GE(read, 2.0);
  EXPECT_LE(read, 1.0 + static_cast<double>(ranks_)) << "rows are a page here: each rank may read what others have between";
  EXPECT_EQ(loaded.mistake(), "");
}

TEST_F(SplitChunks, OneRankMayWantAllAndTheOthersParts) {
  SampleTensor loaded = tensor("rows", rank_ == ranks_ - 1 ? whole(shape_) : part(0));
  StateDict state;
  state.add("rows", loaded.view());
  checkpointer_->load(state, {.strict = false});
  EXPECT_EQ(loaded.mistake(), "");
}

TEST_F(SplitChunks, WhatNobodyWantsIsReadForTheChecksum) {
  Box box = part(0);
  if (rank_ == 0) box.extent[0] = 0;
  SampleTensor loaded = tensor("rows", box);
  StateDict state;
  state.add("rows", loaded.view());
  checkpointer_->load(state, {.strict = false});
  EXPECT_EQ(loaded.mistake(), "");
}

TEST_F(SplitChunks, DamageInRowsIsFound) {
  expect_damage_found("rows", 0);
}

TEST_F(SplitChunks, DamageInColumnsIsFound) {
  expect_damage_found("columns", 1);
}

}  // namespace
}  // namespace holdfast::test
