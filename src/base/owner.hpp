#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <holdfast/error.hpp>
#include <memory>
#include <string_view>
#include <utility>

/// The process that made an object owns it. A child of fork() has a copy of the object, whose destructor would act on what both
/// processes share (sockets, epoll sets, memory of the helper) and wait for threads that the child does not have. So a child
/// leaves it as it is, and everything that it holds with it. docs/decisions/0029-neighbours.md.
namespace holdfast {

/// Deletes in the process that made the object; in a child, does nothing.
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

/// As std::make_shared, for what the program may hold while it forks.
template <class T, class... Args>
std::shared_ptr<T> make_owned(Args&&... args) {
  return std::shared_ptr<T>(new T(std::forward<Args>(args)...), OwnerDelete());
}

/// Did this process make the object, by make_owned()?
template <class T>
bool is_owner(const std::shared_ptr<T>& object) noexcept {
  return std::get_deleter<OwnerDelete>(object)->here();
}

/// Throws Error(invalid_state) in a child of the process that made the object.
template <class T>
void require_owner(const std::shared_ptr<T>& object, std::string_view what) {
  if (is_owner(object)) return;
  throw Error(ErrorCode::invalid_state,
              fmt::format("the {} belongs to process {}, and this process ({}), which fork() made of it, cannot use it", what,
                          std::get_deleter<OwnerDelete>(object)->process(), getpid()));
}

}  // namespace holdfast
