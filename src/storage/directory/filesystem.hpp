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

/// Sets the permission bits of new files and directories while it lives. Files get `bits` (such as 0640); directories
/// also get search permission for everybody who may read. Sets the umask of the whole process, so that files made by
/// MPI-IO follow.
class FileMode {
 public:
  explicit FileMode(std::uint32_t bits) noexcept;
  ~FileMode();
  FileMode(const FileMode&) = delete;
  FileMode& operator=(const FileMode&) = delete;

 private:
  std::uint32_t before_;
};

/// The system calls of the commit path, one member each, so that tests can make every one fail. Members throw
/// Error(storage) with path, errno and host. No member follows a symbolic link in place of a file: it fails with ELOOP.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Creates the directory and its parents. Also throws if the path is a file or is not writable.
  virtual void make_directory(const std::filesystem::path& path) = 0;
  /// Throws unless this process sees the file and may write it.
  virtual void check_access(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual bool exists(const std::filesystem::path& path) = 0;
  /// Whether nobody else has the file open and it has no other name (a hard link). False also if the system cannot
  /// tell.
  [[nodiscard]] virtual bool is_ours_alone(const std::filesystem::path& path) = 0;
  /// Reserves `bytes` for an existing file, so that writing them does not fail on a full disk. Does nothing on file
  /// systems that cannot reserve (EOPNOTSUPP).
  virtual void reserve(const std::filesystem::path& path, std::uint64_t bytes) = 0;
  /// Makes this node's writes to the file durable.
  virtual void sync_file(const std::filesystem::path& path) = 0;
  virtual void sync_directory(const std::filesystem::path& path) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Removes a file. An absent file is no error.
  virtual void remove(const std::filesystem::path& path) = 0;
  /// Makes `link` a symbolic link to `target`; atomically replaces an existing `link`.
  virtual void replace_link(const std::filesystem::path& target, const std::filesystem::path& link) = 0;
  /// Names (not paths) in the directory, unsorted.
  virtual std::vector<std::string> list(const std::filesystem::path& directory) = 0;
  virtual std::uint64_t free_bytes(const std::filesystem::path& directory) = 0;
  /// The content of a small file.
  [[nodiscard]] virtual std::string read(const std::filesystem::path& path) = 0;
  /// Appends in one write.
  virtual void append(const std::filesystem::path& path, const std::string& text) = 0;
  /// Takes the lock and writes `holder` into the file. Waits at most `timeout_s`, then throws Error(in_use) with the
  /// text of the present holder.
  virtual std::unique_ptr<DirectoryLock> lock(const std::filesystem::path& file, const std::string& holder,
                                              double timeout_s) = 0;
};

inline constexpr std::uint32_t any_file = 0666, private_file = 0600;
/// New files get `bits`, less those that the umask (see FileMode) clears. Files made by append() get all of `bits`,
/// unless these are any_file.
[[nodiscard]] std::unique_ptr<FileSystem> make_posix_filesystem(std::uint32_t bits = any_file);

}  // namespace holdfast::storage
