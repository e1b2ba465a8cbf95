// Real full disks: a small tmpfs that is mounted for the test, which takes root.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "base/error_text.hpp"
#include "every_engine.hpp"
#include "failing_filesystem.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::expect_same_error;
using test::mistake;
using test::SampleSave;

constexpr std::uint64_t disk_bytes = 16 << 20;
constexpr std::uint64_t page_bytes = 4096;

/// A save of one large tensor that all share, and some small ones.
SampleSave sample_of(int writers, std::uint64_t large_bytes) {
  SampleSave sample(writers);
  sample.add({"large", plan::DatasetKind::tensor, DType::u8, {large_bytes / 512, 512}});
  for (int i = 0; i < 40; ++i)
    sample.add_alone({"small/" + std::to_string(i), plan::DatasetKind::tensor, DType::f64, {100}}, i % writers);
  return sample;
}

std::ptrdiff_t open_descriptors() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

class DiskFull : public testing::TestWithParam<test::EngineCase> {
 protected:
  void SetUp() override {
    std::string problem;
    if (comm_.rank() == 0 &&
        ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, ("size=" + std::to_string(disk_bytes)).c_str()) != 0)
      problem = errno_text(errno);
    problem = holdfast::test::broadcast_text(problem, 0, MPI_COMM_WORLD);
    if (!problem.empty()) GTEST_SKIP() << "a small tmpfs cannot be mounted here (it takes root): " << problem;
    mounted_ = true;
    if (!engine_.works_in(disk_)) GTEST_SKIP() << "tmpfs has no direct writes here";
    store_ = std::make_unique<CheckpointStore>(
        comm_, test::make_failing_filesystem(faults_), make_checkpoint_file(comm_, engine_.settings()),
        StoreOptions{.directory = disk_ / "ckpt", .nonce = "n", .holder = "test"});
  }
  void TearDown() override {
    store_.reset();
    comm_.barrier();
    if (mounted_ && comm_.rank() == 0) {
      EXPECT_EQ(::umount(disk_.c_str()), 0) << errno_text(errno);
    }
    comm_.free();
  }

  SaveResult save(SampleSave& sample, std::int64_t step) { return store_->save(sample.request(step, comm_.rank())); }

  /// Leaves `bytes` of room on the disk.
  void leave_free(std::uint64_t bytes) {
    comm_.barrier();
    if (comm_.rank() == 0) {
      fs::remove(disk_ / "filler");
      const std::uint64_t free = fs::space(disk_).available;
      std::ofstream filler(disk_ / "filler");
      const std::string page(page_bytes, 'x');
      for (std::uint64_t left = free > bytes ? (free - bytes) / page_bytes : 0; left > 0; --left) filler << page;
    }
    comm_.barrier();
  }

  void expect_full(SampleSave& sample, std::int64_t step) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"ENOSPC", disk_.string()}, [&] { save(sample, step); });
    comm_.barrier();
    for (const auto& entry : fs::directory_iterator(disk_ / "ckpt"))
      EXPECT_FALSE(is_partial_name(entry.path().filename().string()));
    comm_.barrier();
  }

  const test::EngineUnderTest engine_{GetParam()};
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path disk_ = directory_.path();
  bool mounted_ = false;
  test::Faults faults_;
  std::unique_ptr<CheckpointStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, DiskFull, test::every_engine(), test::name_of_case);

TEST_P(DiskFull, IsMetWhileReserving) {
  SampleSave small = sample_of(comm_.size(), 2 << 20), large = sample_of(comm_.size(), 2 * disk_bytes);
  save(small, 1);
  const auto descriptors = open_descriptors();
  for (std::int64_t step = 2; step < 6; ++step) {
    expect_full(large, 2 * step);
    EXPECT_EQ(mistake(disk_ / "ckpt" / file_name(1), small, 1), "");
  }
  EXPECT_EQ(mistake(save(small, 20).path, small, 20), "");
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_P(DiskFull, IsMetWhileCreating) {
  SampleSave sample = sample_of(comm_.size(), 2 << 20);
  save(sample, 1);
  const auto descriptors = open_descriptors();
  leave_free(0);
  expect_full(sample, 2);
  leave_free(disk_bytes);
  EXPECT_EQ(mistake(save(sample, 3).path, sample, 3), "");
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_P(DiskFull, IsMetWhileWritingWhereNothingCanBeReserved) {
  faults_.set_no_reservation(true);
  SampleSave small = sample_of(comm_.size(), 2 << 20), large = sample_of(comm_.size(), 2 * disk_bytes);
  save(small, 1);
  const auto descriptors = open_descriptors();
  for (std::int64_t step = 2; step < 6; ++step) expect_full(large, 2 * step);
  EXPECT_EQ(mistake(disk_ / "ckpt" / file_name(1), small, 1), "");
  EXPECT_EQ(mistake(save(small, 20).path, small, 20), "");
  EXPECT_EQ(open_descriptors(), descriptors);
}

/// MPI-IO is to say so when not all bytes fitted: Open MPI's two-phase writes do not, which is why we do not use them.
/// Each writer opens the file for itself, as helpers do: together, with HDF5 1.14, they may wait for each other in
/// H5Fclose for ever.
TEST_P(DiskFull, IsReportedByTheWriteThatMeetsIt) {
  const fs::path path = disk_ / "plain.h5";
  const auto writers = static_cast<std::uint64_t>(comm_.size()), rank = static_cast<std::uint64_t>(comm_.rank());
  const hdf5::Quiet quiet;
  const hdf5::DatasetAccess datasets;
  if (comm_.rank() == 0) {
    hdf5::BufferedFile file = hdf5::BufferedFile::create(path);
    datasets.create(file.get(), "/large", H5T_NATIVE_UCHAR, {writers, disk_bytes});
    file.finish();
  }
  leave_free(disk_bytes / 2);
  const hid_t file = hdf5::open_shared(path, MPI_COMM_SELF);
  hdf5::DatasetId dataset = datasets.open(file, "/large");
  const std::string row(disk_bytes, 'r');
  std::uint64_t failed = 0;
  const auto count_failure = [&](const auto& action) {
    try {
      action();
    } catch (const hdf5::Failure&) {
      ++failed;
    }
  };
  const auto selection = hdf5::select_box(dataset, {rank, 0}, {1, disk_bytes});
  count_failure([&] { hdf5::write(dataset, H5T_NATIVE_UCHAR, selection, hdf5::collective_transfer(), row.data()); });
  dataset.reset();
  count_failure([&] { hdf5::close_shared(file); });  // HDF5 1.14 writes again here
  comm_.allreduce(std::span(&failed, 1), MPI_SUM);
  EXPECT_GT(failed, 0U);
}

/// The disk runs full at every place of the file in turn. A write that came out short must never pass for a checkpoint.
TEST_P(DiskFull, NeverLosesBytesSilently) {
  faults_.set_no_reservation(true);
  SampleSave sample = sample_of(comm_.size(), 2 << 20);
  const std::uint64_t file_bytes = [&] {
    const fs::path path = save(sample, 1).path;
    const std::uint64_t bytes = fs::file_size(path);
    comm_.barrier();
    return bytes;
  }();
  int failed = 0, saved = 0;
  for (std::uint64_t room = 0; room < file_bytes + 20 * page_bytes; room += 9 * page_bytes) {
    leave_free(room);
    try {
      const fs::path path = save(sample, 2).path;
      ++saved;
      ASSERT_EQ(mistake(path, sample, 2), "") << "with " << room << " bytes of room";
    } catch (const Error& error) {
      ++failed;
      ASSERT_NE(error.message().find("ENOSPC"), std::string::npos) << error.what();
    }
    comm_.barrier();
    if (comm_.rank() == 0) fs::remove(disk_ / "ckpt" / file_name(2));
  }
  EXPECT_GT(failed, 10);
  EXPECT_GT(saved, 0);
}

}  // namespace
}  // namespace holdfast::storage
