#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/unique_handle.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const char* action, int number, const fs::path& path, ErrorCode code = ErrorCode::storage) {
  throw Error(code, fmt::format("{}: {}", action, errno_text(number)), {.host = host_name(), .path = path.string()});
}

/// Neither follows a link in place of the file nor blocks on a pipe.
FileDescriptor open_file(const fs::path& path, int flags, const char* action, std::uint32_t bits = 0) {
  FileDescriptor fd(::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, static_cast<mode_t>(bits)));
  if (!fd) fail(action, errno, path);
  return fd;
}

/// A new file gets `bits`, whatever the umask unless they are any_file. An existing file keeps its bits.
FileDescriptor open_to_append(const fs::path& path, std::uint32_t bits) {
  constexpr int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  FileDescriptor fd(::open(path.c_str(), flags));
  if (!fd && errno == ENOENT) {
    fd.reset(::open(path.c_str(), flags | O_CREAT | O_EXCL, static_cast<mode_t>(bits)));
    if (fd && bits != any_file) ::fchmod(fd.get(), static_cast<mode_t>(bits));
    if (!fd && errno == EEXIST) fd.reset(::open(path.c_str(), flags));  // another process made it meanwhile
  }
  if (!fd) fail("appending", errno, path);
  return fd;
}

/// One write for the whole text, so that lines of several writers do not mix.
void write_at_once(int fd, const std::string& text, const char* action, const fs::path& path) {
  const ssize_t written = ::write(fd, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) fail(action, written < 0 ? errno : ENOSPC, path);
}

/// The text that the holder wrote into the lock file.
std::string holder_of(int fd) {
  std::array<char, 512> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size() - 1, 0);
  return got > 0 ? std::string(text.data()) : "somebody who left no name";
}

class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(FileDescriptor fd) : fd_(std::move(fd)) {}

 private:
  FileDescriptor fd_;  // closing releases the lock
};

/// Tries to take the lock until the time is over. Returns false if the file system has no locks.
bool take_lock(int fd, const fs::path& file, double timeout_s) {
  constexpr auto pause = std::chrono::milliseconds(20);
  const Deadline deadline{Seconds(timeout_s)};
  bool told = false;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK) return false;
    if (errno != EWOULDBLOCK && errno != EINTR) fail("locking the directory", errno, file);
    if (timeout_s > 0 && !std::exchange(told, true))
      log::warning("{}: another run writes checkpoints here: {}; waiting up to {:.0f} s for its end",
                   file.parent_path().string(), holder_of(fd), timeout_s);
    if (deadline.over())
      throw Error(ErrorCode::in_use, "another run writes checkpoints here: " + holder_of(fd),
                  {.host = host_name(), .path = file.parent_path().string()});
    std::this_thread::sleep_for(pause);  // no call waits for a lock with a time limit
  }
  return true;
}

/// Writes the text of the holder, for people and other nodes. A full disk is no reason to refuse the directory.
void sign(int fd, const std::string& holder, const fs::path& file) {
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
    log::warning("{}: the holder's name could not be written: {}", file.string(), errno_text(errno));
  ::fsync(fd);  // some file systems show it to other nodes only then
}

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(std::uint32_t bits) : bits_(bits) {}

  void make_directory(const fs::path& path) override {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) fail("creating the directory", error.value(), path);
    const bool is_there = fs::is_directory(path, error);
    if (error) fail("looking at the directory", error.value(), path);
    if (!is_there) fail("creating the directory", ENOTDIR, path);
    if (::access(path.c_str(), W_OK | X_OK) != 0) fail("writing into the directory", errno, path);
  }

  void check_access(const fs::path& path) override { open_file(path, O_RDWR, "opening for writing"); }

  bool exists(const fs::path& path) override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT) fail("looking for the file", errno, path);
    return false;
  }

  /// The kernel grants a write lease only on a file that nobody else has open, and only if it can tell.
  bool is_ours_alone(const fs::path& path) override {
    const FileDescriptor fd = open_file(path, O_RDWR, "looking who has the file");
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) fail("looking who has the file", errno, path);
    if (status.st_nlink != 1) return false;
    // If another process opens the file now, the kernel signals us. SIGURG does nothing by default; SIGIO would kill.
    ::fcntl(fd.get(), F_SETSIG, SIGURG);
    const bool granted = ::fcntl(fd.get(), F_SETLEASE, F_WRLCK) == 0;
    if (granted) ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
    return granted;
  }

  void reserve(const fs::path& path, std::uint64_t bytes) override {
    const FileDescriptor fd = open_file(path, O_RDWR, "reserving space");
    if (bytes == 0) return;
    int status = 0;
    do status = ::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes));
    while (status != 0 && errno == EINTR);
    if (status == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return;
    const int number = errno;
    fail(fmt::format("reserving {} bytes, {} are free", bytes, free_bytes(path.parent_path())).c_str(), number, path);
  }

  void sync_file(const fs::path& path) override {
    const FileDescriptor fd = open_file(path, O_RDWR, "fsync");
    if (::fsync(fd.get()) != 0) fail("fsync", errno, path);
  }
  void sync_directory(const fs::path& path) override {
    // The directory itself may be a symbolic link made by its owner.
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) fail("fsync of the directory", errno, path);
  }

  void rename(const fs::path& from, const fs::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("renaming", errno, to);
  }

  void remove(const fs::path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("removing", errno, path);
  }

  void replace_link(const fs::path& target, const fs::path& link) override {
    const fs::path fresh = link.parent_path() / fmt::format(".{}{}", link.filename().string(), format::partial_suffix);
    remove(fresh);
    if (::symlink(target.c_str(), fresh.c_str()) != 0) fail("making a symbolic link", errno, link);
    rename(fresh, link);
  }

  std::vector<std::string> list(const fs::path& directory) override {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) names.push_back(entries->path().filename().string());
    if (error) fail("reading the directory", error.value(), directory);
    return names;
  }

  std::uint64_t free_bytes(const fs::path& directory) override {
    struct statvfs status {};
    if (::statvfs(directory.c_str(), &status) != 0) fail("asking for free space", errno, directory);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

  std::string read(const fs::path& path) override {
    const FileDescriptor fd = open_file(path, O_RDONLY, "reading");
    std::string text;
    std::array<char, 512> piece{};
    ssize_t got = 0;
    while ((got = ::read(fd.get(), piece.data(), piece.size())) > 0)
      text.append(piece.data(), static_cast<std::size_t>(got));
    if (got < 0) fail("reading", errno, path);
    return text;
  }

  void append(const fs::path& path, const std::string& text) override {
    const FileDescriptor fd = open_to_append(path, bits_);
    write_at_once(fd.get(), text, "appending", path);
  }

  std::unique_ptr<DirectoryLock> lock(const fs::path& file, const std::string& holder, double timeout_s) override {
    FileDescriptor fd = open_file(file, O_RDWR | O_CREAT, "opening the lock file", bits_);
    if (!take_lock(fd.get(), file, timeout_s))
      log::warning("{}: this file system has no locks; nothing keeps a second run away", file.string());
    sign(fd.get(), holder, file);
    return std::make_unique<PosixLock>(std::move(fd));
  }

 private:
  std::uint32_t bits_;  ///< permission bits of new files
};

constexpr std::uint32_t all = 0777;

}  // namespace

FileMode::FileMode(std::uint32_t bits) noexcept {
  const std::uint32_t search = (bits & 0444U) >> 2U;  // who may read may search
  before_ = ::umask(static_cast<mode_t>(all & ~(bits | search)));
}

FileMode::~FileMode() {
  ::umask(static_cast<mode_t>(before_));
}

std::unique_ptr<FileSystem> make_posix_filesystem(std::uint32_t bits) {
  return std::make_unique<PosixFileSystem>(bits);
}

}  // namespace holdfast::storage
