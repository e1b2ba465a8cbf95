// Damaged files: a clear error where the step is named, the one before where it is not, and on request the program's
// memory untouched.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "base/error_text.hpp"
#include "load/loader.hpp"
#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::test {
namespace {

class BadFiles : public testing::Test {
 protected:
  void SetUp() override {
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt"});
    state_.add(tensor_.name(), tensor_.view());
    state_.add("epoch", epoch_);
    for (epoch_ = 1; epoch_ <= 2; ++epoch_) {
      tensor_.fill();
      newest_ = checkpointer_->async_save(epoch_, state_).wait().path;
    }
    tensor_.clear();
    epoch_ = -1;
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void TearDown() override { EXPECT_NO_THROW(checkpointer_->close()); }

  /// Rank 0 changes the newest file; then naming its step fails, and the newest valid one is step 1.
  void expect_step_back(ErrorCode code, const std::function<void()>& damage) {
    if (rank_in(MPI_COMM_WORLD) == 0) damage();
    MPI_Barrier(MPI_COMM_WORLD);
    expect_same_error(MPI_COMM_WORLD, code, {newest_.string()},
                      [&] { checkpointer_->load(state_, {.step = 2, .verify_first = true}); });
    EXPECT_EQ(epoch_, -1) << "a load that failed wrote into the program's memory";
    EXPECT_TRUE(tensor_.is_clear()) << "a load that failed wrote into the program's memory";
    expect_same_error(MPI_COMM_WORLD, code, {newest_.string()}, [&] { checkpointer_->load(state_, {.step = 2}); });
    const LoadReport report = checkpointer_->load(state_);
    EXPECT_EQ(report.step, 1);
    ASSERT_EQ(report.skipped.size(), 1U);
    EXPECT_NE(report.skipped[0].find("step 2"), std::string::npos) << report.skipped[0];
    EXPECT_EQ(epoch_, 1);
    EXPECT_EQ(tensor_.mistake(), "");
  }
  static void overwrite(const std::filesystem::path& path, std::uint64_t offset, const std::string& text) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << text;
  }
  void set_version(std::int64_t version) const {
    const hid_t file = H5Fopen(newest_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT),
                attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT64, &version);
    H5Aclose(attribute);
    H5Fclose(file);
  }
  static void set_created(const std::filesystem::path& path) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT),
                attribute = H5Aopen(file, "created", H5P_DEFAULT), type = H5Aget_type(attribute);
    std::string text = "2001-01-01T00:00:00Z";
    text.resize(std::max(text.size(), H5Tget_size(type)));
    H5Awrite(attribute, type, text.data());
    H5Tclose(type);
    H5Aclose(attribute);
    H5Fclose(file);
  }
  /// Where the tensor's bytes begin in the file.
  [[nodiscard]] static std::uint64_t data_offset(const std::filesystem::path& path) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT),
                dataset = H5Dopen2(file, "/state/model/w", H5P_DEFAULT);
    const haddr_t offset = H5Dget_offset(dataset);
    H5Dclose(dataset);
    H5Fclose(file);
    return offset;
  }

  const std::uint64_t share_ = 512 / static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  SharedDirectory directory_;
  SampleTensor tensor_{"model/w",
                       DType::i32,
                       {share_ * static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD)), 64},
                       Box{{share_ * static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)), 0}, {share_, 64}},
                       9};
  std::int64_t epoch_ = 0;
  StateDict state_;
  std::optional<Checkpointer> checkpointer_;
  std::filesystem::path newest_;
};

TEST_F(BadFiles, Truncated) {
  expect_step_back(ErrorCode::corrupt,
                   [&] { std::filesystem::resize_file(newest_, std::filesystem::file_size(newest_) / 2); });
}
TEST_F(BadFiles, Empty) {
  expect_step_back(ErrorCode::corrupt, [&] { std::filesystem::resize_file(newest_, 0); });
}
TEST_F(BadFiles, FlippedData) {
  expect_step_back(ErrorCode::corrupt, [&] { overwrite(newest_, data_offset(newest_) + 1000, "!"); });
}
TEST_F(BadFiles, FlippedMetadata) {
  expect_step_back(ErrorCode::corrupt, [&] { overwrite(newest_, 20, "!!!!!!!!!!!!"); });
}
TEST_F(BadFiles, NotHdf5) {
  expect_step_back(ErrorCode::corrupt,
                   [&] { std::ofstream(newest_, std::ios::trunc) << "this is not a checkpoint\n"; });
}
TEST_F(BadFiles, Hdf5ButNotOurs) {
  expect_step_back(ErrorCode::corrupt,
                   [&] { H5Fclose(H5Fcreate(newest_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)); });
}
TEST_F(BadFiles, ANewerFormat) {
  expect_step_back(ErrorCode::unsupported_version, [&] { set_version(1000); });
}
TEST_F(BadFiles, AnOlderFormat) {
  expect_step_back(ErrorCode::unsupported_version, [&] { set_version(1); });
}

TEST_F(BadFiles, AllOfThem) {
  if (rank_in(MPI_COMM_WORLD) == 0)
    for (const CheckpointInfo& info : list_checkpoints(newest_.parent_path()))
      std::filesystem::resize_file(info.path, 100);
  MPI_Barrier(MPI_COMM_WORLD);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {"none of the 2 checkpoints"},
                    [&] { checkpointer_->load(state_); });
  EXPECT_EQ(epoch_, -1);
}

/// Step 2 has a tensor that step 1 has not; half of it is in memory when step 2 proves damaged.
TEST_F(BadFiles, WhatADamagedFileOverwroteAndTheOneBeforeHasNot) {
  SampleTensor later{"model/later", DType::i32, {512, 64}, whole({512, 64}), 10};
  later.fill();
  state_.add(later.name(), later.view());
  epoch_ = 3;
  const std::filesystem::path third = checkpointer_->async_save(3, state_).wait().path;
  if (rank_in(MPI_COMM_WORLD) == 0) overwrite(third, data_offset(third) + 1000, "!");
  MPI_Barrier(MPI_COMM_WORLD);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {"none of the 3 checkpoints", "tensors may hold parts"},
                    [&] { checkpointer_->load(state_, {.strict = Strict::common}); });
  EXPECT_EQ(checkpointer_->load(state_, {.strict = Strict::common, .verify_first = true}).step, 2);
}

/// As where each node has a disk of its own under the path.
TEST_F(BadFiles, ThatAreNotTheSameOnAllNodes) {
  const mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  const int last = comm.size() - 1;
  if (last == 0) return;
  const std::filesystem::path here = newest_.parent_path(), there = directory_.path() / "other-disk";
  if (comm.rank() == last) std::filesystem::copy(here, there);
  const auto load_newest = [&] {
    static_cast<void>(load::load(comm, comm.rank() == last ? there : here, state_, {.step = 2}));
  };
  load_newest();
  EXPECT_EQ(epoch_, 2);
  const std::string host = " on " + host_name(), other = "rank " + std::to_string(last) + host;
  if (comm.rank() == last) std::filesystem::resize_file(there / newest_.filename(), 1000);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt,
                    {"do not find the same file", "rank 0" + host + " finds: one of step 2", other}, load_newest);
  if (comm.rank() == last) std::filesystem::remove(there / newest_.filename());
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage,
                    {"do not find the same file", other, "ENOENT", "all nodes share"}, load_newest);
  if (comm.rank() == last) {
    std::filesystem::copy_file(here / newest_.filename(), there / newest_.filename());
    set_created(there / newest_.filename());  // by another run
  }
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"do not find the same file", "at 2001-01-01"}, load_newest);
}

TEST_F(BadFiles, UnfinishedFilesAreNoCheckpointsAndAreSwept) {
  const auto folder = newest_.parent_path();
  const auto leftover = folder / ".step-000000000009.h5.0123456789abcdef.partial";
  if (rank_in(MPI_COMM_WORLD) == 0) std::filesystem::copy_file(newest_, leftover);
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_EQ(checkpointer_->latest(), 2);
  checkpointer_->close();
  checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = folder});
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

}  // namespace
}  // namespace holdfast::test
