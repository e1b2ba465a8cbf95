#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "system_calls.hpp"

/// What a directory may look like after a crash: the file system calls of a save are recorded, and played back as far
/// as the crash. What was not yet made durable by then may be there or not, in any combination.
namespace holdfast::storage::test {

/// A call that changed the directory or made changes durable.
struct DiskEvent {
  enum class Kind : std::uint8_t { create, write, set_length, sync_file, rename, remove, link, sync_directory };
  Kind kind{};
  int writer = 0;
  std::uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC, which all processes of a node share
  std::string name, to;       ///< names in the directory; of a link, where it points to
  std::uint64_t offset = 0;   ///< of a write; the length
  Bytes data;

  static void fields(auto& c, auto& s) { c(s.kind, s.writer, s.time_ns, s.name, s.to, s.offset, s.data); }
};

/// Records what one process does below a directory, while it lives.
class Recorder {
 public:
  Recorder(const std::filesystem::path& directory, int writer);
  [[nodiscard]] const std::vector<DiskEvent>& events() const noexcept { return events_; }

 private:
  void note(const SystemCall& call);
  std::filesystem::path directory_;
  int writer_;
  std::vector<DiskEvent> events_;
  Watch watch_;
};

/// A directory as a disk may hold it: names of files with their content, and of links with their targets.
struct DiskImage {
  std::map<std::string, Bytes> files;
  std::map<std::string, std::string> links;

  auto operator<=>(const DiskImage&) const = default;
  /// What is there now.
  static DiskImage of(const std::filesystem::path& directory);
  /// Makes a directory of it; what was there goes.
  void write_to(const std::filesystem::path& directory) const;
};

/// Images that the disk may hold after a crash behind the first `count` events, which began on `start`: each subset of
/// the changes of names that were not durable, up to `limit` of them, and with each the content of the files with all,
/// none, and a random half of the blocks of 4 KiB that were not durable. A writer's fsync makes durable what that
/// writer wrote.
[[nodiscard]] std::set<DiskImage> images_after_crash(const DiskImage& start, const std::vector<DiskEvent>& events,
                                                     std::size_t count, std::size_t limit, std::mt19937_64& random);

}  // namespace holdfast::storage::test
