#pragma once

#include <vector>

#include "base/parcel.hpp"
#include "wrap/mpi.hpp"
#include "wrap/mpi_all_to_all.hpp"

namespace holdfast::mpi {

/// Delivers parcels between the ranks of a communicator where each rank has something for many others, but little for each.
/// The ranks stand in a grid of one or more dimensions, the first one running fastest, so that neighbours along it share a node
/// as far as possible. A parcel goes along one dimension after the other, each time to the rank that has its receiver's place
/// there. So a rank exchanges messages with the ranks on its lines instead of with all: 16 + 32 + 32 instead of 16,384. At every
/// hop what comes from a lower place comes from lower ranks.
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

  /// For those who do something with parcels on their way: how many hops it has, how many places are on the line of each, and
  /// which of these is that of a receiver.
  [[nodiscard]] int hops() const noexcept { return dimensions_.empty() ? 1 : static_cast<int>(dimensions_.size()); }
  [[nodiscard]] int side(int hop) const noexcept { return line(hop).size(); }
  [[nodiscard]] int place_of(int rank, int hop) const noexcept;
  /// Collective. One hop: `bags[p]` goes to place p of this rank's line; the result's entry p comes from there.
  [[nodiscard]] std::vector<Bytes> exchange(int hop, std::vector<Bytes> bags) const {
    return all_to_all(line(hop), std::move(bags));
  }

  /// Collective, and explicit as Communicator::free() is.
  void free();

 private:
  struct Dimension {
    int stride = 1;     ///< between the ranks of neighbours
    Communicator line;  ///< of this rank; its members are in the order of their places
  };

  [[nodiscard]] const Communicator& line(int hop) const noexcept {
    return dimensions_.empty() ? comm_ : dimensions_[static_cast<std::size_t>(hop)].line;
  }

  const Communicator& comm_;
  std::vector<Dimension> dimensions_;  ///< none where all ranks are one line
};

}  // namespace holdfast::mpi
