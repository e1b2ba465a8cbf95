#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "failing_filesystem.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/format.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"

namespace holdfast::storage::test {

namespace fs = std::filesystem;

/// Names of the unfinished files.
inline std::vector<std::string> partials(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    if (is_partial_name(entry.path().filename().string())) names.push_back(entry.path().filename().string());
  return names;
}

/// A store in a directory of its own, whose system calls can be made to fail.
class Commit : public testing::Test {
 protected:
  ~Commit() override {
    store_.reset();
    comm_.free();
  }

  void open(StoreOptions options = {}) {
    options.directory = dir_;
    options.nonce = "n";
    if (options.holder.empty()) options.holder = "the test";
    store_.reset();
    comm_.barrier();
    store_ = std::make_unique<CheckpointStore>(comm_, make_failing_filesystem(faults_), make_checkpoint_file(comm_),
                                               std::move(options));
  }
  fs::path save(std::int64_t step) { return store_->save(sample_.request(step, comm_.rank())).path; }
  /// Readers must not look while writer 0 still changes the directory.
  std::vector<std::int64_t> steps() {
    comm_.barrier();
    return steps_in(dir_);
  }
  std::string latest() {
    comm_.barrier();
    return fs::read_symlink(dir_ / format::latest_link).string();
  }

  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path dir_ = directory_.path() / "deep" / "ckpt";
  Faults faults_;
  SampleSave sample_ = SampleSave::of_everything(comm_.size());
  std::unique_ptr<CheckpointStore> store_;
};

}  // namespace holdfast::storage::test
