#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_handle.hpp"
#include "wrap/mpi.hpp"

/// Helper ranks that a program sets apart at its start (reserve_helper_ranks()). A training rank holds a socket to the
/// helper rank of its node for as long as it lives. The socket carries only orders, each to serve one Checkpointer.
namespace holdfast::launch {

/// An order from the lowest training rank of a node to the node's helper rank.
struct StartOrder {
  std::string nonce;
  double timeout_s = 0;  ///< how long the node's ranks may take to say hello
  double helper_timeout_s = 0;
  bool end_survivors = true;
  static void fields(auto& c, auto& s) { c(s.nonce, s.timeout_s, s.helper_timeout_s, s.end_survivors); }
};

/// A helper rank's side.
class ReservedHelper {
 public:
  /// A training rank's socket, and its process (pidfd): a forked child may keep the socket open after the rank's end.
  struct Rank {
    FileDescriptor socket, process;
  };
  ReservedHelper(mpi::Communicator helpers, std::vector<Rank> ranks) : helpers_(helpers), ranks_(std::move(ranks)) {}

  [[nodiscard]] const mpi::Communicator& helpers() const noexcept { return helpers_; }
  /// Sleeps until the next order and returns it; none when all ranks of the node have left.
  [[nodiscard]] std::optional<StartOrder> next_order();

 private:
  mpi::Communicator helpers_;
  std::vector<Rank> ranks_;
};

struct Reservation {
  mpi::Communicator training;            ///< null on helper ranks
  std::optional<ReservedHelper> helper;  ///< on helper ranks only
};

/// Collective over `comm`, once in a program. The last rank of each node becomes a helper rank. Throws the same Error
/// on all ranks: invalid_state the second time, launch where a node has a single rank.
[[nodiscard]] Reservation reserve(MPI_Comm comm);

/// Local. True on a training rank after reserve(), until MPI_Finalize.
[[nodiscard]] bool reserved() noexcept;

}  // namespace holdfast::launch
