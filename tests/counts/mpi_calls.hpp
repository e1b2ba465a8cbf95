#pragma once

/// Calls of MPI that this process makes: the test program defines the functions of MPI itself and passes them on by
/// their other name (PMPI_…). Calls that MPI makes inside are not seen.
namespace holdfast::test {

struct MpiCalls {
  int collective = 0;      ///< also those over communicators of a part of the ranks
  int point_to_point = 0;  ///< sending, receiving, looking for a message
};
/// Since the program began.
[[nodiscard]] MpiCalls mpi_calls();

}  // namespace holdfast::test
