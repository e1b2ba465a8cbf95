#pragma once

#include <optional>

namespace holdfast::mpi {

/// Hides failed MPI-IO writes from HDF5 while it lives, and keeps them for the writer to ask for. HDF5 does not survive
/// such a failure: in H5Fclose, which writes 48 bytes, the failing process returns and the others hang; a single
/// process crashes in MPI_Finalize. Works in programs that report failed MPI-IO writes to suppress_io_error(), as
/// holdfast-helper does. At most one object exists at a time, in the thread that writes.
class SuppressedIoErrors {
 public:
  SuppressedIoErrors() noexcept;
  ~SuppressedIoErrors();
  SuppressedIoErrors(const SuppressedIoErrors&) = delete;
  SuppressedIoErrors& operator=(const SuppressedIoErrors&) = delete;

  /// The errno of the first write that failed since the last call, 0 if MPI-IO lost it. None if no write failed.
  [[nodiscard]] std::optional<int> take() noexcept;
};

/// Records a failed write with its errno (0: unknown). Returns false if no SuppressedIoErrors exists; the caller then
/// reports the failure itself.
[[nodiscard]] bool suppress_io_error(int number) noexcept;

}  // namespace holdfast::mpi
