#pragma once

#include <memory>
#include <vector>

namespace holdfast::api {

/// Something that wants to be told when MPI_Finalize begins.
class FinalizeListener {
 public:
  virtual ~FinalizeListener() = default;
  /// MPI still works; collective calls are not possible.
  virtual void on_finalize() noexcept = 0;
};

/// Keeps `listener`, made by make_owned(), alive and calls it when MPI_Finalize begins, unless it was forgotten before. In the
/// caller's thread.
void remember_until_finalize(std::shared_ptr<FinalizeListener> listener);
void forget(const FinalizeListener* listener) noexcept;
/// What this process remembers, oldest first; nothing that its parent does.
[[nodiscard]] std::vector<std::shared_ptr<FinalizeListener>> remembered();

}  // namespace holdfast::api
