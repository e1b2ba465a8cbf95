#include "transport/arena_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/shared_memory.hpp"

namespace holdfast::transport {
namespace {

namespace fs = std::filesystem;

/// Prefixes of our directories and of the files that UCX makes in them. Nothing else is touched.
constexpr const char* prefix = "holdfast_arena_";
constexpr const char* ucx_prefix = "ucx_shm_posix_";
/// An empty file that takes over the name of UCX's memory, since UCX unlinks that name later.
constexpr const char* stand_in = "stand-in";
/// Tries to make a directory: another helper's sweep may remove a new one before it is locked.
constexpr int most_tries = 10;
constexpr std::chrono::milliseconds between_looks(1);

FileDescriptor open_directory(const fs::path& path) {
  return FileDescriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool may_go(const fs::path& entry) {
  const std::string name = entry.filename().string();
  return name == stand_in || name.starts_with(ucx_prefix);
}

/// Returns the bytes of the files that were removed. A directory that contains anything else stays.
std::uint64_t remove_with_content(const fs::path& path) {
  std::uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(path, gone)) {
    if (!may_go(entry.path())) continue;
    struct stat status {};
    if (lstat(entry.path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    unlink(entry.path().c_str());
  }
  rmdir(path.c_str());
  return bytes;
}

/// A directory is removed under its lock, so a locked directory that still exists is the one at its path.
bool is_there(const FileDescriptor& locked) {
  struct stat status {};
  return fstat(locked.get(), &status) == 0 && status.st_nlink != 0;
}

/// Another user's memory stays, even if this process runs as root.
bool is_ours(const FileDescriptor& directory) {
  struct stat status {};
  return fstat(directory.get(), &status) == 0 && status.st_uid == geteuid();
}

void sweep(const fs::path& path) {
  const FileDescriptor directory = open_directory(path);
  if (!directory || !is_ours(directory) || flock(directory.get(), LOCK_EX | LOCK_NB) != 0 || !is_there(directory))
    return;
  log::warning("{} is removed, with {} bytes of shared memory: its helper was killed while it made an arena",
               path.string(), remove_with_content(path));
}

}  // namespace

fs::path arena_directory_of(const std::string& socket_name) {
  return fs::path(shared_memory_path) / (prefix + socket_name);
}

ArenaDirectory::ArenaDirectory(fs::path path) : path_(std::move(path)) {
  for (int tries = 0; tries < most_tries && mkdir(path_.c_str(), S_IRWXU) == 0; ++tries) {
    if (take()) return;
    remove_with_content(path_);
  }
  throw Error(ErrorCode::out_of_memory, fmt::format("no directory for an arena can be made: {}", errno_text(errno)),
              {.host = host_name(), .path = path_.string()});
}

ArenaDirectory::~ArenaDirectory() {
  remove_with_content(path_);
}

bool ArenaDirectory::take() {
  lock_ = open_directory(path_);
  if (!lock_ || flock(lock_.get(), LOCK_EX) != 0 || !is_there(lock_)) return false;
  const FileDescriptor made(
      open((path_ / stand_in).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  return static_cast<bool>(made);
}

void ArenaDirectory::hide_memory(const std::stop_token& stop) const noexcept {
  try {
    while (!stop.stop_requested() && !hide_one()) std::this_thread::sleep_for(between_looks);
  } catch (const std::exception& error) {  // UCX unlinks the names later
    log::debug("{} keeps its names for a while: {}", path_.string(), error.what());
  }
}

bool ArenaDirectory::hide_one() const {
  std::error_code error;
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename() != stand_in) return rename((path_ / stand_in).c_str(), entry->path().c_str()) == 0;
  return false;
}

void sweep_arena_directories() noexcept {
  try {
    std::error_code error;
    for (fs::directory_iterator entry(shared_memory_path, error), end; !error && entry != end; entry.increment(error))
      if (entry->path().filename().string().starts_with(prefix)) sweep(entry->path());
  } catch (const std::exception& error) {
    log::warning("{} could not be swept: {}", shared_memory_path, error.what());
  }
}

}  // namespace holdfast::transport
