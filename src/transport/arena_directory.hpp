#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "base/unique_handle.hpp"

namespace holdfast::transport {

/// A directory in /dev/shm that exists while UCX makes an arena in it. UCX names new memory and fills it, which takes
/// seconds if it is large. A process that is killed meanwhile leaves the name, and with it the memory. So the name lies
/// in a directory that this process has locked: if nobody holds the lock, no living process uses the content.
class ArenaDirectory {
 public:
  /// Makes the directory and locks it. Throws Error(out_of_memory) if that fails.
  explicit ArenaDirectory(std::filesystem::path path);
  ~ArenaDirectory();
  ArenaDirectory(const ArenaDirectory&) = delete;
  ArenaDirectory& operator=(const ArenaDirectory&) = delete;

  /// Waits until UCX has made memory here and removes its name at once, so that the memory ends with the processes that
  /// have it open. Returns when that is done or `stop` is requested.
  void hide_memory(const std::stop_token& stop) const noexcept;

 private:
  bool take();
  [[nodiscard]] bool hide_one() const;

  std::filesystem::path path_;
  FileDescriptor lock_;
};

/// Returns the path of the directory of the helper that listens on this socket.
[[nodiscard]] std::filesystem::path arena_directory_of(const std::string& socket_name);

/// Removes this user's directories that nobody has locked, with the memory in them: helpers that were killed while they
/// made an arena left them. Logs how many bytes were freed. Never throws.
void sweep_arena_directories() noexcept;

}  // namespace holdfast::transport
