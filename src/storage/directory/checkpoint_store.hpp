#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/directory/recycled_file.hpp"
#include "storage/format/lineage.hpp"
#include "storage/write/checkpoint_file.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

struct StoreOptions {
  std::filesystem::path directory;
  int keep_last = 0;
  std::int64_t keep_every = 0;
  std::string nonce;           ///< identifies this run in the names of unfinished files
  std::string holder;          ///< tells a run that is refused who holds the lock: "host n1, pid 42, job 7, since …"
  double lock_timeout_s = 10;  ///< about half of the time that opening the directory may take
  std::string launcher = {};   ///< launcher of the helpers; for the event log
  std::uint32_t file_mode = 0600;  ///< permission bits of new files
  bool recycle_files = true;       ///< the next save may write over the file that retention gave up
  /// Tells writer 0 which steps are in use, so that retention leaves them alone; null: none.
  std::function<std::set<std::int64_t>()> steps_in_use = {};
};

/// A directory of checkpoints that the helpers have open together for writing. Sets the process's umask while it is
/// open.
class CheckpointStore {
 public:
  /// Collective. Writer 0 makes the directory, takes its lock, removes unfinished files and reads the headers of all
  /// others. Throws Error(storage), naming the host, if a writer sees another directory under this path. `comm` is
  /// borrowed.
  CheckpointStore(const mpi::Communicator& comm, std::unique_ptr<FileSystem> files,
                  std::unique_ptr<CheckpointFile> file, StoreOptions options);

  /// Removes a save that was not committed, and the recycled file.
  ~CheckpointStore();
  CheckpointStore(const CheckpointStore&) = delete;
  CheckpointStore& operator=(const CheckpointStore&) = delete;

  /// A save is begin(), one or more write() and commit(). All three are collective over the writers and throw the same
  /// Error on all; the save is then over, and nothing of it is visible. `request` is borrowed until the save is over.
  /// It lists all chunks; the bytes of a chunk are needed from the write() that gets it.
  void begin(const SaveRequest& request);
  void write(std::span<const Chunk> chunks);
  /// The checkpoint is durable and visible on return. It replaces an older one of the same step.
  SaveResult commit();
  /// Collective. begin(), write() of all chunks, and commit().
  SaveResult save(const SaveRequest& request) {
    begin(request);
    write(request.chunks);
    return commit();
  }
  /// Local. Logs an event for a save that failed outside of begin(), write() and commit(), which log their own
  /// failures.
  void note_failure(std::int64_t step, const Error& error) noexcept;
  /// Local. Removes a save that was begun and not committed, if there is one.
  void abandon() noexcept;
  /// Local. Notes that the save `sequence` failed before begin(). Later saves go on from it.
  void pass_over(std::int64_t sequence, std::int64_t parent);
  /// State of the directory when it was opened.
  struct Known {
    std::int64_t newest_sequence = 0;  ///< largest sequence that may be in use
    std::int64_t head_sequence = 0;    ///< sequence of the head; 0: none
    static void fields(auto& codec, auto& self) { codec(self.newest_sequence, self.head_sequence); }
  };
  [[nodiscard]] const Known& known() const noexcept { return known_; }

 private:
  /// A save that has begun.
  struct Unfinished {
    const SaveRequest* request = nullptr;
    std::filesystem::path partial;
    SaveResult result;
    std::uint64_t layout = 0;  ///< equal numbers: equal layouts, so one file may overwrite the other; 0: unique
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
  std::unique_ptr<CheckpointFile> file_;
  StoreOptions options_;
  FileMode mode_;
  std::unique_ptr<DirectoryLock> lock_;
  std::optional<Unfinished> unfinished_;
  Known known_;
  std::optional<RecycledFile> recycled_;               ///< on writer 0 only, like all members below
  std::vector<Entry> entries_;                         ///< what is in the directory, in the order of steps
  Lineage last_;                                       ///< lineage of the save begun last, committed or not
  std::optional<std::string> copy_told_;               ///< SaveRequest::copy in the last settings event
  bool left_over_ = false;                             ///< a save failed, and its partial file may still be there
  std::set<std::int64_t> told_unread_, told_strange_;  ///< steps of files with a warning in the log
};

}  // namespace holdfast::storage
