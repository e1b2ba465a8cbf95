#pragma once

#include <mpi.h>

#include <filesystem>
#include <string>

namespace holdfast::test {

/// Helpers whose saves do not end for as long as they are stuck: fsync() hangs in them (stuck_fsync.c). Members are
/// collective.
class StickyHelper {
 public:
  /// `library` is stuck_fsync's, `directory` an empty one that all ranks see. A helper runs the shell command `first`,
  /// which finds in $flag the file that is there while helpers are stuck.
  StickyHelper(std::filesystem::path directory, const std::filesystem::path& library, MPI_Comm comm = MPI_COMM_WORLD,
               const std::string& first = ":");
  /// For Options::helper_program.
  [[nodiscard]] const std::filesystem::path& program() const noexcept { return program_; }
  [[nodiscard]] const std::filesystem::path& flag() const noexcept { return flag_; }
  void stick() const;
  void let_go() const;

 private:
  std::filesystem::path program_, flag_;
  MPI_Comm comm_;
};

}  // namespace holdfast::test
