#pragma once

#include <gtest/gtest.h>
#include <mpi.h>

#include <filesystem>
#include <functional>
#include <holdfast/error.hpp>
#include <memory>
#include <string>

#include "support/temporary_directory.hpp"

namespace holdfast::test {

int rank_in(MPI_Comm comm);
int size_of_comm(MPI_Comm comm);

/// A temporary directory that all ranks of a communicator know; rank 0 makes and removes it. Collective.
class SharedDirectory {
 public:
  explicit SharedDirectory(MPI_Comm comm = MPI_COMM_WORLD);
  ~SharedDirectory();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  MPI_Comm comm_;
  std::unique_ptr<TemporaryDirectory> owned_;
  std::filesystem::path path_;
};

/// The text from rank `root`, on all ranks.
std::string broadcast_text(std::string text, int root, MPI_Comm comm);

/// Runs `call` on all ranks and expects that each throws an Error of `code`, the same on all, whose text has all of
/// `words`. Returns the text.
std::string expect_same_error(MPI_Comm comm, ErrorCode code, std::initializer_list<std::string> words,
                              const std::function<void()>& call);

/// Collective. Rank 0 prints how long the slowest rank took to notice a fault, for docs/reliability.md; no test depends
/// on it.
void print_noticed(MPI_Comm comm, double seconds);

/// True on all ranks if `flag` is true on all.
bool all_true(MPI_Comm comm, bool flag);

}  // namespace holdfast::test
