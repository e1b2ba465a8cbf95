#include "wrap/mpi_finalize.hpp"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/owner.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::mpi {
namespace {

std::vector<std::shared_ptr<FinalizeListener>>& listeners() {
  static std::vector<std::shared_ptr<FinalizeListener>> all;
  return all;
}

void call_all() {
  while (!listeners().empty()) {  // a listener may register another one
    const auto all = std::exchange(listeners(), {});
    for (const auto& listener : all)
      if (is_owner(listener)) listener->on_finalize();
  }
}

}  // namespace

void remember_until_finalize(std::shared_ptr<FinalizeListener> listener) {
  static std::once_flag hooked;
  std::call_once(hooked, [] { call_at_finalize(call_all); });
  listeners().push_back(std::move(listener));
}

void forget(const FinalizeListener* listener) noexcept {
  std::erase_if(listeners(), [&](const auto& entry) { return entry.get() == listener; });
}

std::vector<std::shared_ptr<FinalizeListener>> remembered() {
  std::vector<std::shared_ptr<FinalizeListener>> own = listeners();
  std::erase_if(own, [](const auto& entry) { return !is_owner(entry); });
  return own;
}

}  // namespace holdfast::mpi
