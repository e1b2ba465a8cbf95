#pragma once

#include <vector>

#include "base/parcel.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Delivers parcels between the ranks of a communicator where each rank has something for many others, but little for each.
/// The ranks stand in a grid of one or more dimensions, the first one running fastest, so that neighbours along it share a node
/// as far as possible. A parcel goes along one dimension after the other, each time to the rank that has its receiver's place
/// there. So a rank exchanges messages with the ranks on its lines instead of with all: 16 + 32 + 32 instead of 16,384.
class Grid {
 public:
  /// What the constructor chooses: lengths of sides whose product is `ranks`, ascending, as many and as long as cost least
  /// (docs/scale.md). One side for few ranks, or where their number has no fitting divisors.
  [[nodiscard]] static std::vector<int> best_sides(int ranks);

  /// Collective. `comm` is borrowed. The product of `sides` is the number of ranks.
  explicit Grid(const Communicator& comm) : Grid(comm, best_sides(comm.size())) {}
  Grid(const Communicator& comm, const std::vector<int>& sides);

  [[nodiscard]] const Communicator& comm() const noexcept { return comm_; }
  /// Collective. What the others had for this rank, in the order of the senders' ranks. At most one parcel for each rank; empty
  /// ones are not delivered.
  [[nodiscard]] std::vector<Parcel> deliver(const std::vector<Parcel>& parcels) const;
  /// Collective, and explicit as Communicator::free() is.
  void free();

 private:
  struct Dimension {
    int stride = 1;     ///< between the ranks of neighbours
    Communicator line;  ///< of this rank; its members are in the order of their places
  };

  const Communicator& comm_;
  std::vector<Dimension> dimensions_;  ///< none where all ranks are one line
};

}  // namespace holdfast::mpi
