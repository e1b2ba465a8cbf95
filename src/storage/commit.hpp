#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "storage/filesystem.hpp"
#include "storage/spare_file.hpp"
#include "storage/storage.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

struct StoreOptions {
  std::filesystem::path directory;
  int keep_last = 0;
  std::int64_t keep_every = 0;
  std::string nonce;   ///< of this run; part of the names of unfinished files
  std::string holder;  ///< who holds the directory, for the one that is refused: "host n1, pid 42, job 7, since …"
  double lock_timeout_s = 10;
  std::string launcher = {};       ///< of the helpers, for the event log
  std::uint32_t file_mode = 0600;  ///< permission bits of what is made
  bool recycle_files = true;       ///< the next save may write over the file that retention gave up
};

/// A directory of checkpoints, opened for writing by the helpers together. While it is open, it holds the process's umask.
class CheckpointStore final : public StorageWriter {
 public:
  /// Collective. Makes the directory, takes its lock (writer 0), sweeps away unfinished files. Throws Error(storage) naming a writer's
  /// host where that sees another directory under this path. `comm` is borrowed.
  CheckpointStore(const mpi::Communicator& comm, std::unique_ptr<FileSystem> files, std::unique_ptr<FileEngine> engine,
                  StoreOptions options);

  /// Gives up a save that was not committed, and the spare file.
  ~CheckpointStore() override;

  void begin(const SaveRequest& request) override;
  void write(std::span<const Chunk> chunks) override;
  /// A step that is there already is replaced. Retention never takes the step just saved.
  SaveResult commit() override;
  void note_failure(std::int64_t step, const Error& error) noexcept override;
  void abandon() noexcept override;

 private:
  /// A save that has begun.
  struct Unfinished {
    const SaveRequest* request = nullptr;
    std::filesystem::path partial;
    SaveResult result;
  };

  template <class Function>
  auto attempt(double& seconds, Function&& function);
  void require_shared_directory();
  void sweep();
  void make_file();
  void make_durable();
  void publish(const std::filesystem::path& partial, const std::filesystem::path& final);
  void announce(const SaveRequest& request, const SaveResult& result);
  void log_save(const SaveRequest& request, const SaveResult& result);
  void move_latest();
  void prune(std::int64_t saved);
  void discard(const std::filesystem::path& partial, std::int64_t step, const Error& error);
  void agree_on(const SaveRequest& request, SaveResult& result) const;
  [[nodiscard]] bool leads() const noexcept { return comm_.rank() == 0; }

  const mpi::Communicator& comm_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<FileEngine> engine_;
  StoreOptions options_;
  FileMode mode_;
  std::unique_ptr<DirectoryLock> lock_;
  std::optional<Unfinished> unfinished_;
  std::optional<SpareFile> spare_;  ///< writer 0's
  std::optional<std::string> copy_told_;  ///< with the settings
  bool left_over_ = false;  ///< a save failed, and its unfinished file may still be there
};

}  // namespace holdfast::storage
