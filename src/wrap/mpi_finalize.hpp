#pragma once

#include <memory>
#include <vector>

namespace holdfast::mpi {

/// Receives a call when MPI_Finalize begins.
class FinalizeListener {
 public:
  virtual ~FinalizeListener() = default;
  /// MPI still works; collective calls are not possible.
  virtual void on_finalize() noexcept = 0;
};

/// Keeps `listener`, made by make_owned(), alive until forget() or MPI_Finalize, which calls it in the thread that
/// called MPI_Finalize.
void remember_until_finalize(std::shared_ptr<FinalizeListener> listener);
void forget(const FinalizeListener* listener) noexcept;
/// The listeners of this process, oldest first, without those that its parent process registered.
[[nodiscard]] std::vector<std::shared_ptr<FinalizeListener>> remembered();

}  // namespace holdfast::mpi
