#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <holdfast/error.hpp>
#include <memory>
#include <string_view>
#include <utility>

/// Objects that only the process that made them destroys. A child of fork() has a copy of the object. Its destructor
/// would act on resources that both processes share (sockets, epoll sets, memory of the helper) and wait for threads
/// that the child does not have. So a child leaks the object and everything it holds
/// (docs/decisions/0029-neighbours.md).
namespace holdfast {

/// Deletes the object in the process that made it. Does nothing in a child.
class OwnerDelete {
 public:
  template <class T>
  void operator()(T* object) const noexcept {
    if (here()) delete object;
  }
  [[nodiscard]] pid_t process() const noexcept { return process_; }
  [[nodiscard]] bool here() const noexcept { return getpid() == process_; }

 private:
  pid_t process_ = getpid();
};

/// Like std::make_shared, for objects that may exist while the program forks.
template <class T, class... Args>
std::shared_ptr<T> make_owned(Args&&... args) {
  return std::shared_ptr<T>(new T(std::forward<Args>(args)...), OwnerDelete());
}

/// Whether this process made the object, which comes from make_owned().
template <class T>
bool is_owner(const std::shared_ptr<T>& object) noexcept {
  return std::get_deleter<OwnerDelete>(object)->here();
}

/// Throws Error(invalid_state) in a child of the process that made the object.
template <class T>
void require_owner(const std::shared_ptr<T>& object, std::string_view what) {
  if (is_owner(object)) return;
  throw Error(ErrorCode::invalid_state,
              fmt::format("the {} belongs to process {}, and this process ({}), which fork() made of it, cannot use it",
                          what, std::get_deleter<OwnerDelete>(object)->process(), getpid()));
}

}  // namespace holdfast
