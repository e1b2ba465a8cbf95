#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::storage {

/// A held lock on a directory; released when destroyed.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

/// The permission bits of what this process makes, while it lives: files get `bits` (such as 0640), directories also search
/// permission for everybody who may read. It sets the umask, which is the whole process's, so that files that MPI-IO makes
/// follow.
class FileMode {
 public:
  explicit FileMode(std::uint32_t bits) noexcept;
  ~FileMode();
  FileMode(const FileMode&) = delete;
  FileMode& operator=(const FileMode&) = delete;

  /// Can a run work with files of these bits: may their owner read and write them, and are there no others?
  [[nodiscard]] static bool is_possible(std::uint32_t bits) noexcept;

 private:
  std::uint32_t before_;
};

/// The system calls of the commit path, one member each, so that tests can make every one fail. Members throw
/// Error(storage) with path, errno and host. None follows a symbolic link in a file's place: that is ELOOP.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Creates the directory and its parents; throws also when the path is a file or cannot be written.
  virtual void make_directory(const std::filesystem::path& path) = 0;
  /// Throws unless this process sees the file and may write it.
  virtual void check_access(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual bool exists(const std::filesystem::path& path) = 0;
  /// Has nobody else this file, neither under another name (a hard link) nor open? False also where the system cannot tell.
  [[nodiscard]] virtual bool is_ours_alone(const std::filesystem::path& path) = 0;
  /// Sets aside `bytes` for an existing file, so that writing them cannot meet a full disk. File systems that cannot
  /// reserve (EOPNOTSUPP) are left alone.
  virtual void reserve(const std::filesystem::path& path, std::uint64_t bytes) = 0;
  /// Makes this node's writes to the file durable.
  virtual void sync_file(const std::filesystem::path& path) = 0;
  virtual void sync_directory(const std::filesystem::path& path) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Removes a file; one that is gone already is no error.
  virtual void remove(const std::filesystem::path& path) = 0;
  /// Makes `link` a symbolic link to `target`, replacing atomically what is there.
  virtual void replace_link(const std::filesystem::path& target, const std::filesystem::path& link) = 0;
  /// Names (not paths) in the directory, unsorted.
  virtual std::vector<std::string> list(const std::filesystem::path& directory) = 0;
  virtual std::uint64_t free_bytes(const std::filesystem::path& directory) = 0;
  /// The content of a small file.
  [[nodiscard]] virtual std::string read(const std::filesystem::path& path) = 0;
  /// Appends in one write.
  virtual void append(const std::filesystem::path& path, const std::string& text) = 0;
  /// Takes the lock, writing `holder` into the file; waits at most `timeout_s`, then throws Error(in_use) with the text
  /// that the holder wrote.
  virtual std::unique_ptr<DirectoryLock> lock(const std::filesystem::path& file, const std::string& holder, double timeout_s) = 0;
};

inline constexpr std::uint32_t any_file = 0666, private_file = 0600;
/// New files get `bits`, of which the umask, and so a FileMode, takes its own away: all but those that append() makes with other
/// bits than any_file.
[[nodiscard]] std::unique_ptr<FileSystem> make_posix_filesystem(std::uint32_t bits = any_file);

}  // namespace holdfast::storage
