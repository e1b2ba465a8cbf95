#pragma once

#include <optional>

namespace holdfast::mpi {

/// HDF5 does not survive a failed write through MPI-IO: in H5Fclose, which writes 48 bytes, the process that met it goes home
/// while the others wait for it for ever, and alone it crashes in MPI_Finalize. While one of these lives, a program that passes
/// its MPI-IO writes through keep_failure() (holdfast-helper does) shows HDF5 none that failed, and whoever writes asks here. One
/// at a time, in the thread that writes.
class KeptFailures {
 public:
  KeptFailures() noexcept;
  ~KeptFailures();
  KeptFailures(const KeptFailures&) = delete;
  KeptFailures& operator=(const KeptFailures&) = delete;

  /// The errno of the first write that failed since the last call, 0 where MPI-IO swallowed it; nothing if all went well.
  [[nodiscard]] std::optional<int> take() noexcept;
};

/// Keeps a failure with its errno (0: unknown). False if nobody asks for it: the caller then has to report it itself.
[[nodiscard]] bool keep_failure(int number) noexcept;

}  // namespace holdfast::mpi
