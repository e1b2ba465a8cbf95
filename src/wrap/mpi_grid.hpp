#pragma once

#include <vector>

#include "base/rank_message.hpp"
#include "wrap/mpi.hpp"
#include "wrap/mpi_all_to_all.hpp"

namespace holdfast::mpi {

/// Delivers messages between the ranks of a communicator, for patterns in which each rank sends a little to many
/// others. The ranks form a grid of one or more dimensions. The first dimension varies fastest, so that neighbours
/// along it share a node as far as possible. A message travels along one dimension per hop, to the rank that has its
/// receiver's coordinate in that dimension. So a rank exchanges messages only with the ranks on its lines, 16 + 32 + 32
/// instead of 16,384. At every hop, messages from a lower place on the line come from lower ranks.
class Grid {
 public:
  /// The sides that the constructor chooses: the ascending factors of `ranks` with the lowest cost (docs/scale.md). One
  /// side for few ranks, or if their number has no suitable divisors.
  [[nodiscard]] static std::vector<int> best_sides(int ranks);

  /// Collective. `comm` is borrowed. The product of `sides` must be the number of ranks.
  explicit Grid(const Communicator& comm) : Grid(comm, best_sides(comm.size())) {}
  Grid(const Communicator& comm, const std::vector<int>& sides);

  [[nodiscard]] const Communicator& comm() const noexcept { return comm_; }
  /// Collective. Sends at most one message to each rank, and returns the messages to this rank in the order of their
  /// senders. Empty messages are not delivered.
  [[nodiscard]] std::vector<RankMessage> deliver(const std::vector<RankMessage>& messages) const;

  /// Number of hops, for callers that process messages between hops.
  [[nodiscard]] int hops() const noexcept { return dimensions_.empty() ? 1 : static_cast<int>(dimensions_.size()); }
  /// Number of places on this rank's line at a hop.
  [[nodiscard]] int side(int hop) const noexcept { return line(hop).size(); }
  /// The place on the line to which a message for `rank` goes.
  [[nodiscard]] int next_hop(int rank, int hop) const noexcept;
  /// Collective. One hop: sends `batches[p]` to place p of this rank's line; entry p of the result came from there.
  [[nodiscard]] std::vector<Bytes> exchange(int hop, std::vector<Bytes> batches) const {
    return all_to_all(line(hop), std::move(batches));
  }

  /// Collective. Frees the lines' communicators, as Communicator::free() does.
  void free();

 private:
  struct Dimension {
    int stride = 1;     ///< difference between the ranks of neighbours
    Communicator line;  ///< this rank's line, members in the order of their places
  };

  [[nodiscard]] const Communicator& line(int hop) const noexcept {
    return dimensions_.empty() ? comm_ : dimensions_[static_cast<std::size_t>(hop)].line;
  }

  const Communicator& comm_;
  std::vector<Dimension> dimensions_;  ///< empty if all ranks form one line
};

}  // namespace holdfast::mpi
