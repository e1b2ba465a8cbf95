// What one rank saved, several load, each a part: a file is read once, whatever the parts, and damage is found all the
// same.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cerrno>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <map>

#include "../storage/system_calls.hpp"
#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"
#include "tensor/convert.hpp"
#include "tensor/strided.hpp"

namespace holdfast::test {
namespace {

struct Saved {
  DType dtype;
  Shape shape;

  [[nodiscard]] std::uint64_t bytes() const { return volume(shape) * size_of(dtype); }
};
/// "large" is more than is read at once.
const std::map<std::string, Saved> saved = {{"rows", {DType::i16, {300, 2048}}},
                                            {"columns", {DType::i16, {300, 2048}}},
                                            {"large", {DType::f64, {1200, 1024}}},
                                            {"cube", {DType::i32, {24, 30, 50}}}};

class SplitChunks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_.emplace();
    save(directory_->path() / "ckpt", 1);
  }
  static void TearDownTestSuite() { directory_.reset(); }

  void SetUp() override { open(folder_); }
  void TearDown() override { checkpointer_->close(); }

  /// Collective; rank 0 saves.
  static void save(const std::filesystem::path& folder, std::int64_t steps) {
    if (rank_in(MPI_COMM_WORLD) == 0) {
      std::vector<SampleTensor> tensors;
      for (const auto& [name, what] : saved) tensors.push_back(sample(name, whole(what.shape)));
      StateDict state;
      for (SampleTensor& tensor : tensors) {
        tensor.fill();
        state.add(tensor.name(), tensor.view());
      }
      Checkpointer checkpointer(MPI_COMM_SELF, {.directory = folder});
      for (std::int64_t step = 1; step <= steps; ++step) checkpointer.async_save(step, state).wait();
      checkpointer.close();
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void open(const std::filesystem::path& folder) {
    folder_ = folder;
    fill_page_cache();
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = folder_, .read_only = true});
  }
  /// Around it, whole pages would be read.
  void fill_page_cache() {
    if (rank_ == 0) {
      std::ifstream file(newest(), std::ios::binary);
      std::vector<char> bytes(1 << 20);
      while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
      }
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  [[nodiscard]] std::filesystem::path newest() const { return folder_ / "latest"; }

  [[nodiscard]] static SampleTensor sample(const std::string& name, const Box& box) {
    return {name, saved.at(name).dtype, saved.at(name).shape, box, 7, 1};
  }
  /// Of this rank: uneven, and in no order of ranks.
  [[nodiscard]] Box part(const std::string& name, std::size_t dimension) const {
    const std::uint64_t turn = (rank_ + 1) % ranks_, extent = saved.at(name).shape[dimension];
    const auto cut = [&](std::uint64_t i) { return i * i * extent / (ranks_ * ranks_); };
    Box box = whole(saved.at(name).shape);
    box.offset[dimension] = cut(turn);
    box.extent[dimension] = cut(turn + 1) - cut(turn);
    return box;
  }
  [[nodiscard]] SampleTensor cut(const std::string& name, std::size_t dimension) const {
    return sample(name, part(name, dimension));
  }
  /// Loads the tensors, which have to come out right; what all ranks read for it.
  std::uint64_t load(std::initializer_list<SampleTensor*> tensors) {
    StateDict state;
    for (SampleTensor* tensor : tensors) state.add(tensor->name(), tensor->view());
    std::uint64_t bytes = checkpointer_->load(state, {.strict = Strict::common}).read_bytes;
    for (const SampleTensor* tensor : tensors) EXPECT_EQ(tensor->mistake(), "");
    return sum(bytes);
  }
  [[nodiscard]] static std::uint64_t sum(std::uint64_t number) {
    MPI_Allreduce(MPI_IN_PLACE, &number, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    return number;
  }
  /// Its elements, converted.
  [[nodiscard]] static std::vector<double> as_doubles(SampleTensor& tensor, const Box& box) {
    const TensorView view = tensor.view();
    const StridedMemory memory = memory_of(view, box);
    std::vector<std::byte> packed(packed_bytes(memory));
    pack(memory, packed.data());
    std::vector<double> numbers(volume(box.extent));
    convert(view.dtype, packed.data(), DType::f64, reinterpret_cast<std::byte*>(numbers.data()), numbers.size());
    return numbers;
  }

  [[nodiscard]] std::uint64_t address_of(const std::string& name) const {
    const hid_t file = H5Fopen(newest().c_str(), H5F_ACC_RDONLY, H5P_DEFAULT),
                dataset = H5Dopen2(file, ("/state/" + name).c_str(), H5P_DEFAULT);
    const haddr_t offset = H5Dget_offset(dataset);
    H5Dclose(dataset);
    H5Fclose(file);
    return offset;
  }
  /// Flips a bit in the file.
  void damage(const std::string& name, std::uint64_t byte) const {
    if (rank_ == 0) {
      const auto offset = static_cast<std::streamoff>(address_of(name) + byte);
      std::fstream bytes(newest(), std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekg(offset);
      const auto flipped = static_cast<char>(bytes.get() ^ 0x10);
      bytes.seekp(offset);
      bytes.put(flipped);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void expect_damage_found(SampleTensor loaded) {
    const std::uint64_t bytes = saved.at(loaded.name()).bytes();
    StateDict state;
    state.add(loaded.name(), loaded.view());
    for (const std::uint64_t byte : {std::uint64_t{0}, bytes / 2, bytes - 1}) {
      damage(loaded.name(), byte);
      expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {loaded.name()},
                        [&] { checkpointer_->load(state, {.step = 1, .strict = Strict::common}); });
      damage(loaded.name(), byte);  // flips it back
      load({&loaded});
    }
  }

  const std::uint64_t rank_ = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  static inline std::optional<SharedDirectory> directory_;
  std::filesystem::path folder_ = directory_->path() / "ckpt";
  std::optional<Checkpointer> checkpointer_;
};

TEST_F(SplitChunks, RowsAreReadOnce) {
  SampleTensor loaded = cut("rows", 0);
  EXPECT_EQ(load({&loaded}), saved.at("rows").bytes());
}

TEST_F(SplitChunks, ColumnsAreReadOnce) {
  SampleTensor loaded = cut("columns", 1);
  EXPECT_EQ(load({&loaded}), saved.at("columns").bytes());
}

TEST_F(SplitChunks, ColumnsOfALargeChunkAreReadOnce) {
  SampleTensor loaded = cut("large", 1);
  EXPECT_EQ(load({&loaded}), saved.at("large").bytes());
}

TEST_F(SplitChunks, BoxesAreReadOnce) {
  for (const std::size_t dimension : {1U, 2U}) {
    SampleTensor loaded = cut("cube", dimension);
    EXPECT_EQ(load({&loaded}), saved.at("cube").bytes());
  }
}

TEST_F(SplitChunks, PartsOfAnotherDtypeAreReadOnce) {
  for (const std::size_t dimension : {0U, 1U}) {
    const Box box = part("columns", dimension);
    SampleTensor expected = sample("columns", box);
    expected.fill();
    std::vector<double> loaded(volume(box.extent));
    StateDict state;
    state.add("columns", shard(static_cast<void*>(loaded.data()), DType::f64,
                               {.global = saved.at("columns").shape, .offset = box.offset, .extent = box.extent}));
    const LoadReport report = checkpointer_->load(state, {.strict = Strict::common, .convert = true});
    EXPECT_EQ(sum(report.read_bytes), saved.at("columns").bytes());
    EXPECT_EQ(loaded, as_doubles(expected, box));
  }
}

TEST_F(SplitChunks, AMixOfAllIsReadOnce) {
  SampleTensor rows = cut("rows", 0), columns = cut("columns", 1), large = cut("large", 1),
               cube = sample("cube", whole(saved.at("cube").shape));
  const std::uint64_t once = saved.at("rows").bytes() + saved.at("columns").bytes() + saved.at("large").bytes();
  EXPECT_EQ(load({&rows, &columns, &large, &cube}), once + ranks_ * saved.at("cube").bytes())
      << "each reads what all want whole";
}

TEST_F(SplitChunks, SeveralReadersOfAChunkTakeTurns) {
  const Shape shape = {1 << 14, 512};  // 128 MiB: two readers
  const auto tensor = [&](const Box& box) { return SampleTensor("huge", DType::c128, shape, box, 11); };
  const std::filesystem::path folder = directory_->path() / "huge";
  if (rank_ == 0) {
    SampleTensor huge = tensor(whole(shape));
    huge.fill();
    StateDict state;
    state.add(huge.name(), huge.view());
    Checkpointer checkpointer(MPI_COMM_SELF, {.directory = folder});
    checkpointer.async_save(1, state).wait();
    checkpointer.close();
  }
  MPI_Barrier(MPI_COMM_WORLD);
  Box box = whole(shape);
  box.extent[1] /= ranks_;
  box.offset[1] = rank_ * box.extent[1];
  SampleTensor loaded = tensor(box);
  StateDict state;
  state.add(loaded.name(), loaded.view());
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = folder, .read_only = true});
  const std::uint64_t read = checkpointer.load(state).read_bytes;
  checkpointer.close();
  EXPECT_EQ(loaded.mistake(), "");
  const std::uint64_t bytes = volume(shape) * size_of(DType::c128), pages = 2 * 4096 * (bytes >> 20);
  EXPECT_GE(sum(read), bytes);
  EXPECT_LE(sum(read), bytes + pages) << "only where reads meet, whole pages may be read twice";
  EXPECT_EQ(sum(read > 0 ? 1 : 0), 2);
}

TEST_F(SplitChunks, OneRankMayWantAllAndTheOthersParts) {
  for (const std::size_t dimension : {0U, 1U}) {
    SampleTensor loaded = rank_ == ranks_ - 1 ? sample("rows", whole(saved.at("rows").shape)) : cut("rows", dimension);
    load({&loaded});
  }
}

TEST_F(SplitChunks, WhatNobodyWantsIsReadForTheChecksum) {
  for (const std::size_t dimension : {0U, 1U}) {
    Box box = part("large", dimension);
    if (rank_ == 0) box.extent[dimension] = 0;
    SampleTensor loaded = sample("large", box);
    EXPECT_EQ(load({&loaded}), saved.at("large").bytes());
  }
}

TEST_F(SplitChunks, ReplicasOfPartsAreReadOnce) {
  Box half = whole(saved.at("large").shape);
  half.extent[1] /= 2;
  half.offset[1] = rank_ % 2 * half.extent[1];
  SampleTensor loaded = sample("large", half);
  EXPECT_EQ(load({&loaded}), saved.at("large").bytes());
}

TEST_F(SplitChunks, DamageInRowsIsFound) {
  expect_damage_found(cut("rows", 0));
}

TEST_F(SplitChunks, DamageInColumnsIsFound) {
  expect_damage_found(cut("columns", 1));
  expect_damage_found(cut("large", 1));
}

TEST_F(SplitChunks, ADamagedFileIsPassedOverForTheOneBefore) {
  checkpointer_->close();
  const std::filesystem::path folder = directory_->path() / "two_steps";
  save(folder, 2);
  open(folder);
  damage("large", saved.at("large").bytes() / 3);
  SampleTensor loaded = cut("large", 1);
  StateDict state;
  state.add(loaded.name(), loaded.view());
  const LoadReport report = checkpointer_->load(state, {.strict = Strict::common});
  EXPECT_EQ(report.step, 1);
  ASSERT_EQ(report.skipped.size(), 1U);
  EXPECT_EQ(loaded.mistake(), "");
}

TEST_F(SplitChunks, AReadThatFailsOnOneRankFailsOnAll) {
  SampleTensor loaded = cut("large", 1);
  StateDict state;
  state.add(loaded.name(), loaded.view());
  const std::uint64_t begin = address_of("large"), end = begin + saved.at("large").bytes();
  int errors = 0;
  for (std::uint64_t failing = 0; failing < ranks_; ++failing) {
    std::uint64_t failures = 0;
    {
      const storage::test::Watch watch(folder_, [&](const storage::test::SystemCall& call) {
        const bool fails = rank_ == failing && call.name == "pread" && call.offset >= begin && call.offset < end;
        failures += fails;
        return fails ? EIO : 0;
      });
      std::optional<Error> error;
      try {
        checkpointer_->load(state, {.step = 1, .strict = Strict::common});
      } catch (const Error& thrown) {
        error = thrown;
      }
      EXPECT_EQ(error.has_value(), sum(failures) > 0) << "on all ranks, where one that reads has failed";
      if (error) {
        EXPECT_EQ(error->code(), ErrorCode::storage) << error->what();
        ++errors;
      }
    }
    load({&loaded});
  }
  EXPECT_EQ(errors, 1) << "one rank reads this chunk";
}

}  // namespace
}  // namespace holdfast::test
