#pragma once

#include <unistd.h>

#include <utility>

namespace holdfast {

/// Owns a handle of a C API whose release is local and silent. `Traits` has `type`, `none()` and `release(type)`.
template <class Traits>
class UniqueHandle {
 public:
  using type = typename Traits::type;

  UniqueHandle() = default;
  explicit UniqueHandle(type handle) noexcept : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(std::exchange(other.handle_, Traits::none())) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) reset(std::exchange(other.handle_, Traits::none()));
    return *this;
  }
  ~UniqueHandle() { reset(); }

  [[nodiscard]] type get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != Traits::none(); }
  void reset(type handle = Traits::none()) noexcept {
    if (handle_ != Traits::none()) Traits::release(handle_);
    handle_ = handle;
  }
  [[nodiscard]] type take() noexcept { return std::exchange(handle_, Traits::none()); }

 private:
  type handle_ = Traits::none();
};

struct FileDescriptorTraits {
  using type = int;
  static type none() noexcept { return -1; }
  static void release(type fd) noexcept { ::close(fd); }
};
using FileDescriptor = UniqueHandle<FileDescriptorTraits>;

}  // namespace holdfast
