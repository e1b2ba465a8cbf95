#pragma once

#include <mpi.h>

#include <filesystem>

namespace holdfast::test {

/// Helpers whose saves do not end for as long as they are stuck: fsync() hangs in them (stuck_fsync.c). Members are collective.
class StickyHelper {
 public:
  /// `library` is stuck_fsync's, `directory` an empty one that all ranks see.
  StickyHelper(std::filesystem::path directory, const std::filesystem::path& library, MPI_Comm comm = MPI_COMM_WORLD);
  /// For Options::helper.
  [[nodiscard]] const std::filesystem::path& program() const noexcept { return program_; }
  void stick() const;
  void let_go() const;

 private:
  std::filesystem::path program_, flag_;
  MPI_Comm comm_;
};

}  // namespace holdfast::test
