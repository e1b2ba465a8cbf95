#include "system_calls.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace holdfast::storage::test {
namespace {

namespace fs = std::filesystem;

struct State {
  fs::path directory;
  Before before;
  After after;
  std::map<int, fs::path> paths;  ///< of the descriptors that were opened since
};

std::mutex mutex;
std::unique_ptr<State> state;        // null: nobody watches
std::atomic<bool> watching = false;  // the same, for threads that have no business here
thread_local bool inside = false;

/// The C library's own function.
template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool is_watched(const fs::path& path) {
  const std::string text = path.lexically_normal().string(), below = state->directory.string();
  return text.starts_with(below) && (text.size() == below.size() || text[below.size()] == '/');
}

/// Asks, calls and tells. `fill` completes what is known of the call; false: it is none of ours.
template <class Fill, class Call>
auto around(std::string_view name, Fill&& fill, Call&& call) {
  using Result = decltype(call());
  if (inside || !watching) return call();
  const std::lock_guard guard(mutex);
  SystemCall seen{.name = name, .path = {}};
  if (!state || !fill(seen)) return call();
  inside = true;
  const int number = state->before(seen);
  const bool closes = seen.name == "close";
  Result result{};
  int after_number = errno;
  if (number == 0 || closes) result = call(), after_number = errno;  // a descriptor is gone also when close fails
  if (closes) state->paths.erase(seen.fd);
  if (number != 0) {
    after_number = number;
    if constexpr (std::is_pointer_v<Result>)
      result = nullptr;
    else
      result = static_cast<Result>(-1);
  } else {
    if constexpr (!std::is_pointer_v<Result>) {
      if (name == "open" && result >= 0) state->paths[static_cast<int>(result)] = seen.path;
      if (state->after) state->after(seen, static_cast<std::int64_t>(result));
    }
  }
  inside = false;
  errno = after_number;
  return result;
}

auto of_path(const char* path, int flags = 0) {
  return [=](SystemCall& call) {
    call.path = path;
    call.flags = flags;
    return path != nullptr && is_watched(call.path);
  };
}

auto of_descriptor(int fd, std::uint64_t offset = 0, const void* data = nullptr, std::size_t bytes = 0) {
  return [=](SystemCall& call) {
    const auto found = state->paths.find(fd);
    if (found == state->paths.end()) return false;
    call.path = found->second;
    call.fd = fd;
    call.offset = offset;
    call.data = {static_cast<const std::byte*>(data), bytes};
    return true;
  };
}

/// The one piece that is written; tests would have to learn more if there were several.
std::span<const std::byte> joined(const iovec* pieces, int count, std::vector<std::byte>& memory) {
  for (int i = 0; i < count; ++i) {
    const auto* first = static_cast<const std::byte*>(pieces[i].iov_base);
    memory.insert(memory.end(), first, first + pieces[i].iov_len);
  }
  return memory;
}

}  // namespace

Watch::Watch(fs::path directory, Before before, After after) {
  const std::lock_guard guard(mutex);
  state = std::make_unique<State>(State{std::move(directory), std::move(before), std::move(after), {}});
  watching = true;
}

Watch::~Watch() {
  const std::lock_guard guard(mutex);
  watching = false;
  state.reset();
}

}  // namespace holdfast::storage::test

// What the C library defines, defined here: the program's own symbols come before those of any library.
#define HOLDFAST_DEFINES extern "C" [[gnu::visibility("default")]]

namespace t = holdfast::storage::test;

namespace {

int open_with(const char* name, const char* path, int flags, mode_t mode) {
  return t::around("open", t::of_path(path, flags),
                   [&] { return t::real<int(const char*, int, ...)>(name)(path, flags, mode); });
}

int openat_with(const char* name, int directory, const char* path, int flags, mode_t mode) {
  return t::around("open", t::of_path(path, flags),
                   [&] { return t::real<int(int, const char*, int, ...)>(name)(directory, path, flags, mode); });
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

#define HOLDFAST_OPEN(function)                                     \
  HOLDFAST_DEFINES int function(const char* path, int flags, ...) { \
    va_list arguments;                                              \
    va_start(arguments, flags);                                     \
    const mode_t mode = mode_of(flags, arguments);                  \
    va_end(arguments);                                              \
    return open_with(#function, path, flags, mode);                 \
  }
HOLDFAST_OPEN(open)
HOLDFAST_OPEN(open64)

#define HOLDFAST_OPENAT(function)                                                  \
  HOLDFAST_DEFINES int function(int directory, const char* path, int flags, ...) { \
    va_list arguments;                                                             \
    va_start(arguments, flags);                                                    \
    const mode_t mode = mode_of(flags, arguments);                                 \
    va_end(arguments);                                                             \
    return openat_with(#function, directory, path, flags, mode);                   \
  }
HOLDFAST_OPENAT(openat)
HOLDFAST_OPENAT(openat64)

// name of the function, name that is reported, arguments …, what is known, how it is passed on
#define HOLDFAST_CALL(result, function, name, parameters, fill, ...) \
  HOLDFAST_DEFINES result function parameters {                      \
    static auto* const call = t::real<result parameters>(#function); \
    return t::around(name, fill, [&] { return call(__VA_ARGS__); }); \
  }

HOLDFAST_CALL(int, close, "close", (int fd), t::of_descriptor(fd), fd)
HOLDFAST_CALL(ssize_t, read, "read", (int fd, void* data, size_t bytes), t::of_descriptor(fd), fd, data, bytes)
HOLDFAST_CALL(ssize_t, pread, "pread", (int fd, void* data, size_t bytes, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at)), fd, data, bytes, at)
HOLDFAST_CALL(ssize_t, pread64, "pread", (int fd, void* data, size_t bytes, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at)), fd, data, bytes, at)
HOLDFAST_CALL(ssize_t, readv, "readv", (int fd, const iovec* pieces, int count), t::of_descriptor(fd), fd, pieces,
              count)
HOLDFAST_CALL(ssize_t, preadv, "pread", (int fd, const iovec* pieces, int count, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at)), fd, pieces, count, at)
HOLDFAST_CALL(ssize_t, preadv64, "pread", (int fd, const iovec* pieces, int count, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at)), fd, pieces, count, at)
HOLDFAST_CALL(ssize_t, write, "write", (int fd, const void* data, size_t bytes), t::of_descriptor(fd, 0, data, bytes),
              fd, data, bytes)
HOLDFAST_CALL(ssize_t, pwrite, "pwrite", (int fd, const void* data, size_t bytes, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at), data, bytes), fd, data, bytes, at)
HOLDFAST_CALL(ssize_t, pwrite64, "pwrite", (int fd, const void* data, size_t bytes, off_t at),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at), data, bytes), fd, data, bytes, at)
HOLDFAST_CALL(int, ftruncate, "ftruncate", (int fd, off_t length),
              t::of_descriptor(fd, static_cast<std::uint64_t>(length)), fd, length)
HOLDFAST_CALL(int, ftruncate64, "ftruncate", (int fd, off_t length),
              t::of_descriptor(fd, static_cast<std::uint64_t>(length)), fd, length)
HOLDFAST_CALL(int, fallocate, "fallocate", (int fd, int mode, off_t at, off_t bytes),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at + bytes)), fd, mode, at, bytes)
HOLDFAST_CALL(int, fallocate64, "fallocate", (int fd, int mode, off_t at, off_t bytes),
              t::of_descriptor(fd, static_cast<std::uint64_t>(at + bytes)), fd, mode, at, bytes)
HOLDFAST_CALL(int, fsync, "fsync", (int fd), t::of_descriptor(fd), fd)
HOLDFAST_CALL(int, fdatasync, "fsync", (int fd), t::of_descriptor(fd), fd)
HOLDFAST_CALL(int, sync_file_range, "sync_file_range", (int fd, off64_t at, off64_t bytes, unsigned flags),
              t::of_descriptor(fd), fd, at, bytes, flags)
HOLDFAST_CALL(int, fstat, "fstat", (int fd, struct stat* status), t::of_descriptor(fd), fd, status)
HOLDFAST_CALL(int, fstat64, "fstat", (int fd, struct stat64* status), t::of_descriptor(fd), fd, status)
HOLDFAST_CALL(int, fchmod, "fchmod", (int fd, mode_t mode), t::of_descriptor(fd), fd, mode)
HOLDFAST_CALL(int, mkdir, "mkdir", (const char* path, mode_t mode), t::of_path(path), path, mode)
HOLDFAST_CALL(int, access, "access", (const char* path, int mode), t::of_path(path), path, mode)
HOLDFAST_CALL(int, stat, "stat", (const char* path, struct stat* status), t::of_path(path), path, status)
HOLDFAST_CALL(int, stat64, "stat", (const char* path, struct stat64* status), t::of_path(path), path, status)
HOLDFAST_CALL(int, lstat, "stat", (const char* path, struct stat* status), t::of_path(path), path, status)
HOLDFAST_CALL(int, lstat64, "stat", (const char* path, struct stat64* status), t::of_path(path), path, status)
HOLDFAST_CALL(DIR*, opendir, "opendir", (const char* path), t::of_path(path), path)
HOLDFAST_CALL(int, unlink, "unlink", (const char* path), t::of_path(path), path)
HOLDFAST_CALL(int, chmod, "chmod", (const char* path, mode_t mode), t::of_path(path), path, mode)

HOLDFAST_DEFINES ssize_t writev(int fd, const iovec* pieces, int count) {
  std::vector<std::byte> memory;
  const auto bytes = t::joined(pieces, count, memory);
  return t::around("write", t::of_descriptor(fd, 0, bytes.data(), bytes.size()),
                   [&] { return t::real<ssize_t(int, const iovec*, int)>("writev")(fd, pieces, count); });
}

#define HOLDFAST_PWRITEV(function)                                                                                     \
  HOLDFAST_DEFINES ssize_t function(int fd, const iovec* pieces, int count, off_t at) {                                \
    std::vector<std::byte> memory;                                                                                     \
    const auto bytes = t::joined(pieces, count, memory);                                                               \
    return t::around("pwrite", t::of_descriptor(fd, static_cast<std::uint64_t>(at), bytes.data(), bytes.size()), [&] { \
      return t::real<ssize_t(int, const iovec*, int, off_t)>(#function)(fd, pieces, count, at);                        \
    });                                                                                                                \
  }
HOLDFAST_PWRITEV(pwritev)
HOLDFAST_PWRITEV(pwritev64)

HOLDFAST_DEFINES int rename(const char* from, const char* to) {
  const auto fill = [&](t::SystemCall& call) {
    call.to = to;
    return t::of_path(from)(call);
  };
  return t::around("rename", fill, [&] { return t::real<int(const char*, const char*)>("rename")(from, to); });
}

HOLDFAST_DEFINES int symlink(const char* target, const char* link) {
  const auto fill = [&](t::SystemCall& call) {
    call.to = target;
    return t::of_path(link)(call);
  };
  return t::around("symlink", fill, [&] { return t::real<int(const char*, const char*)>("symlink")(target, link); });
}
