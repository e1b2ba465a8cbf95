// Every file system call of a save fails once, on every writer, whoever makes it: our code, HDF5 or MPI-IO. The save
// fails on all writers with one error that names path and errno, the checkpoint before stands, and the next save works.
// What fails behind the commit costs nothing. HOLDFAST_TEST_THOROUGH=1 tries each call with each errno that it can
// return; otherwise they take turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "base/error_text.hpp"
#include "every_engine.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "system_calls.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::broadcast_text;
using test::mistake;
using test::SampleSave;
using test::SystemCall;

/// Written whole, in pieces, and as a string of several parts.
SampleSave sample_of(int writers) {
  SampleSave sample(writers);
  sample.add({"large", plan::DatasetKind::tensor, DType::u8, {1 << 10, 1 << 10}});
  sample.add({"small", plan::DatasetKind::tensor, DType::f64, {60, 3}});
  sample.add({"text", plan::DatasetKind::string, DType::u8, {3000}});
  return sample;
}

/// What each call may return, by its manual page, for a disk or directory that fails.
const std::map<std::string_view, std::vector<int>>& errors_of_calls() {
  static const std::map<std::string_view, std::vector<int>> errors = {
      {"access", {EACCES, EIO}},
      {"close", {EIO, ENOSPC, EDQUOT}},
      {"fallocate", {ENOSPC, EDQUOT, EIO, EFBIG, EINTR, EOPNOTSUPP}},
      {"fstat", {EIO, ESTALE}},
      {"fsync", {EIO, ENOSPC, EDQUOT}},
      {"ftruncate", {EIO, EFBIG}},
      {"mkdir", {EACCES, ENOSPC, EROFS, EIO}},
      {"open", {EACCES, EIO, EMFILE, ENFILE, ENOENT, ENOSPC, EDQUOT, EROFS, ESTALE, ELOOP}},
      {"opendir", {EACCES, EIO, EMFILE}},
      {"pread", {EIO, ESTALE}},
      {"pwrite", {ENOSPC, EDQUOT, EIO, EFBIG}},
      {"read", {EIO, ESTALE}},
      {"rename", {EIO, ENOSPC, EDQUOT, EACCES, EROFS}},
      {"stat", {EACCES, EIO}},
      {"symlink", {EIO, ENOSPC, EDQUOT, EROFS}},
      {"sync_file_range", {EIO, ENOSPC, EDQUOT, ENOSYS, ESPIPE}},
      {"unlink", {EIO, EACCES, EROFS}},
      {"write", {ENOSPC, EDQUOT, EIO, EFBIG}}};
  return errors;
}

constexpr char directory[] = "ckpt";

/// A fault, what became of it, and whether the save was committed by then.
struct Injection {
  int at = 0;      ///< number of the call in this writer's save
  int which = -1;  ///< of the errors that the call may return; -1: they take turns
  int calls = 0;   ///< seen so far
  std::string call, file;
  int number = 0;          ///< injected; 0: not yet
  bool recycling = false;  ///< it was in the way of an older file's space
  bool renamed = false, committed = false;

  void after(const SystemCall& seen) {
    renamed |= seen.name == "rename" && parse_file_name(seen.to.filename().string());
    committed |= renamed && seen.name == "fsync" && seen.path.filename() == directory;
  }
  int before(const SystemCall& seen) {
    if (calls++ != at) return 0;
    const std::vector<int>& errors = errors_of_calls().at(seen.name);
    const auto chosen = static_cast<std::size_t>(which < 0 ? at : which);
    if (which >= 0 && chosen >= errors.size()) return 0;
    call = seen.name;
    file = seen.path.filename();
    recycling = file.find(".spare.") != file.npos || (call == "fsync" && file == directory && !renamed);
    return number = errors[chosen % errors.size()];
  }
  [[nodiscard]] std::string text() const {
    return number == 0 ? "nothing" : call + " of " + file + " fails with " + strerrorname_np(number);
  }
  /// Open files' ends and looks around that nobody depends on, retries, and what is good without: the save may go on.
  [[nodiscard]] bool may_go_on() const {
    return recycling || call == "close" || call == "stat" || file.find(".locktest.") != file.npos ||
           (call == "fallocate" && (number == EINTR || number == EOPNOTSUPP)) ||
           (call == "sync_file_range" && (number == ENOSYS || number == ESPIPE));
  }
};

class SystemCallFails : public testing::TestWithParam<test::EngineCase> {
 protected:
  void SetUp() override {
    if (!engine_.works_in(directory_.path()))
      GTEST_SKIP() << "this file system has no direct writes: " << directory_.path();
    store_.emplace(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, engine_.settings()),
                   StoreOptions{.directory = dir_, .keep_last = 2, .nonce = "n", .holder = "test"});
    while (step_ < 3) save(++step_);  // from the third on, retention gives up a file, whose space the next save takes
  }
  void TearDown() override {
    store_.reset();
    comm_.free();
  }

  fs::path save(std::int64_t step) { return store_->save(sample_.request(step, comm_.rank())).path; }
  void expect_next_save_works() {
    const fs::path path = save(++step_);
    EXPECT_EQ(mistake(path, sample_, step_), "");
  }
  std::vector<std::int64_t> steps() {
    comm_.barrier();
    return steps_in(dir_);
  }

  /// Saves while call number `at` of writer `victim` fails; false if there is no such call (or no such error of it).
  bool try_one(int victim, int at, int which) {
    Injection fault{.at = at, .which = which};
    const auto before = steps();
    comm_.barrier();
    const std::optional<Error> error = save_under(fault, victim, ++step_);
    const bool injected = holdfast::test::all_true(MPI_COMM_WORLD, comm_.rank() != victim || fault.number != 0);
    const std::string what = broadcast_text(fault.text(), victim, MPI_COMM_WORLD);
    SCOPED_TRACE("writer " + std::to_string(victim) + ": " + what);
    if (comm_.rank() == victim && injected) check_outcome(fault, error);
    if (error) {
      EXPECT_EQ(steps(), before);
      comm_.barrier();
      EXPECT_EQ(mistake(dir_ / file_name(before.back()), sample_, before.back()), "");
    } else {
      EXPECT_EQ(mistake(dir_ / file_name(step_), sample_, step_), "");
    }
    expect_next_save_works();
    seen_ += injected;
    return holdfast::test::all_true(MPI_COMM_WORLD, comm_.rank() != victim || fault.calls > at);
  }

  std::optional<Error> save_under(Injection& fault, int victim, std::int64_t step) {
    std::optional<test::Watch> watch;
    if (comm_.rank() == victim)
      watch.emplace(
          dir_, [&](const SystemCall& call) { return fault.before(call); },
          [&](const SystemCall& call, std::int64_t) { fault.after(call); });
    try {
      save(step);
      return {};
    } catch (const Error& error) {
      return error;
    }
  }

  void check_outcome(const Injection& fault, const std::optional<Error>& error) const {
    if (!error) {
      EXPECT_TRUE(fault.may_go_on() || fault.committed) << "the save passed over it";
      return;
    }
    EXPECT_FALSE(fault.committed) << "failed although it was committed: " << error->what();
    EXPECT_EQ(error->code(), ErrorCode::storage) << error->what();
    EXPECT_TRUE(error->context().path.starts_with(dir_.string())) << error->what();
    EXPECT_EQ(error->context().rank, comm_.rank()) << error->what();
    // Open MPI does not say why it could not open a file, and the next try by hand finds nothing wrong.
    const bool named = error->message().find(strerrorname_np(fault.number)) != std::string::npos ||
                       (fault.call == "open" && error->message().find("MPI_ERR_") != std::string::npos);
    EXPECT_TRUE(named) << error->what();
  }

  const test::EngineUnderTest engine_{GetParam()};
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path dir_ = directory_.path() / directory;
  SampleSave sample_ = sample_of(comm_.size());
  std::optional<CheckpointStore> store_;
  std::int64_t step_ = 0;
  int seen_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, SystemCallFails, test::engines_by_system_calls(), test::name_of_case);

TEST_P(SystemCallFails, AndCostsOnlyThatSave) {
  const bool thorough = std::getenv("HOLDFAST_TEST_THOROUGH") != nullptr;
  for (int victim = 0; victim < comm_.size(); ++victim) {
    const int seen_before = seen_;
    for (int at = 0; try_one(victim, at, thorough ? 0 : -1) && !HasFailure(); ++at)
      for (int which = 1; thorough && which < 10; ++which) try_one(victim, at, which);
    if (comm_.rank() == 0) std::printf("writer %d: %d calls failed in turn\n", victim, seen_ - seen_before);
    EXPECT_GT(seen_ - seen_before, victim == 0 ? 50 : 10);
  }
}

/// The same while the directory is opened.
TEST_P(SystemCallFails, WhileTheDirectoryIsOpened) {
  store_.reset();
  comm_.barrier();
  bool more = true;
  for (int at = 0; more; ++at) {
    Injection fault{.at = at};
    std::optional<test::Watch> watch;
    if (comm_.rank() == 0) watch.emplace(dir_, [&](const SystemCall& call) { return fault.before(call); });
    try {
      store_.emplace(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, engine_.settings()),
                     StoreOptions{.directory = dir_, .keep_last = 2, .nonce = "n", .holder = "test"});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::storage) << error.what();
      EXPECT_TRUE(error.context().path.starts_with(dir_.string())) << fault.text() << ": " << error.what();
    }
    watch.reset();
    store_.reset();
    more = holdfast::test::all_true(MPI_COMM_WORLD, comm_.rank() != 0 || fault.number != 0);
  }
  store_.emplace(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, engine_.settings()),
                 StoreOptions{.directory = dir_, .keep_last = 2, .nonce = "n", .holder = "test"});
  expect_next_save_works();
}

}  // namespace
}  // namespace holdfast::storage
