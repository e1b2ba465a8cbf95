#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "storage/filesystem.hpp"
#include "storage/lineage.hpp"
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
  double lock_timeout_s = 10;  ///< about half of the time that opening the directory may take
  std::string launcher = {};       ///< of the helpers, for the event log
  std::uint32_t file_mode = 0600;  ///< permission bits of what is made
  bool recycle_files = true;       ///< the next save may write over the file that retention gave up
};

/// A directory of checkpoints, opened for writing by the helpers together. While it is open, it holds the process's umask.
class CheckpointStore final : public StorageWriter {
 public:
  /// Collective. Makes the directory, takes its lock, sweeps away unfinished files and reads the heads of all others (writer 0).
  /// Throws Error(storage) naming a writer's host where that sees another directory under this path. `comm` is borrowed.
  CheckpointStore(const mpi::Communicator& comm, std::unique_ptr<FileSystem> files, std::unique_ptr<FileEngine> engine,
                  StoreOptions options);

  /// Gives up a save that was not committed, and the spare file.
  ~CheckpointStore() override;

  void begin(const SaveRequest& request) override;
  void write(std::span<const Chunk> chunks) override;
  /// A step that is there already is replaced.
  SaveResult commit() override;
  void note_failure(std::int64_t step, const Error& error) noexcept override;
  void abandon() noexcept override;
  void pass_over(std::int64_t sequence, std::int64_t parent) override;

  /// What the directory had when it was opened.
  struct Known {
    std::int64_t newest_sequence = 0;  ///< that may have been given
    std::int64_t head_sequence = 0;    ///< 0: there is no head
    static void fields(auto& codec, auto& self) { codec(self.newest_sequence, self.head_sequence); }
  };
  [[nodiscard]] const Known& known() const noexcept { return known_; }

 private:
  /// A save that has begun.
  struct Unfinished {
    const SaveRequest* request = nullptr;
    std::filesystem::path partial;
    SaveResult result;
    std::uint64_t layout = 0;  ///< equal for files that are laid out alike: one may be written over another; 0: like no other
  };

  template <class Function>
  auto attempt(double& seconds, Function&& function);
  void require_shared_directory(Seconds timeout);
  void sweep();
  void take_stock();
  void look_again();
  void go_on(std::int64_t sequence, std::int64_t parent);
  void make_file();
  void make_durable();
  void publish(const std::filesystem::path& partial, const std::filesystem::path& final);
  void announce(const Unfinished& done, const SaveResult& result);
  void log_save(const SaveRequest& request, const SaveResult& result);
  void note(const SaveRequest& request);
  void tell_of_strangers(std::int64_t step);
  void prune(std::int64_t step);
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
  Known known_;
  std::optional<SpareFile> spare_;        ///< writer 0's, as are all that follow
  std::vector<Entry> entries_;            ///< what is in the directory, in the order of steps
  Lineage last_;                          ///< of the save that began last, whether it was committed or not
  std::optional<std::string> copy_told_;  ///< with the settings
  bool left_over_ = false;  ///< a save failed, and its unfinished file may still be there
  std::set<std::int64_t> told_unread_, told_strange_;  ///< steps of files that the log has a warning of
};

}  // namespace holdfast::storage
