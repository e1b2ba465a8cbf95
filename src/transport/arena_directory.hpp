#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "base/unique_handle.hpp"

namespace holdfast::transport {

/// A directory in /dev/shm, in which UCX makes an arena, and which is there no longer than that takes. UCX gives new memory a
/// name and fills it, for seconds if it is large; whoever is killed meanwhile leaves the name, and with it the memory. So the
/// name is one of ours, in a directory that this process has locked: where nobody holds the lock, nobody alive uses what is in
/// it.
class ArenaDirectory {
 public:
  /// Throws Error(out_of_memory) if it cannot be made.
  explicit ArenaDirectory(std::filesystem::path path);
  ~ArenaDirectory();
  ArenaDirectory(const ArenaDirectory&) = delete;
  ArenaDirectory& operator=(const ArenaDirectory&) = delete;

  /// Waits until UCX has made memory here, and takes its name away at once, so that it ends with the processes that have it open.
  /// Returns when that is done, or `stop` is requested.
  void hide_memory(const std::stop_token& stop) const noexcept;

 private:
  bool take();
  [[nodiscard]] bool hide_one() const;

  std::filesystem::path path_;
  FileDescriptor lock_;
};

/// Where a helper that listens on this socket has it.
[[nodiscard]] std::filesystem::path arena_directory_of(const std::string& socket_name);

/// Removes the directories of this user that nobody holds, with the memory in them: of helpers that were killed while they made
/// an arena. Says in the log what that gave back. Never throws.
void sweep_arena_directories() noexcept;

}  // namespace holdfast::transport
