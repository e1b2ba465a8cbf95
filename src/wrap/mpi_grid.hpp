#pragma once

#include <vector>

#include "base/parcel.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Delivers parcels between the ranks of a communicator where each rank has something for many others, but little for each.
/// The ranks stand in a grid, row by row, so that neighbours in a row share a node as far as possible. A parcel goes along its
/// sender's row to the column of its receiver, and then along that column. So a rank exchanges messages with the ranks of its row
/// and its column instead of with all: 2 * 128 instead of 16,384. Where that gains nothing, all ranks are one column.
class Grid {
 public:
  /// What the constructor chooses: the largest divisor of `ranks` up to its square root, if there are ranks enough for the second
  /// hop to cost less than it saves; otherwise 1.
  [[nodiscard]] static int best_columns(int ranks) noexcept;

  /// Collective. `comm` is borrowed. `columns` divides the number of ranks.
  explicit Grid(const Communicator& comm) : Grid(comm, best_columns(comm.size())) {}
  Grid(const Communicator& comm, int columns);

  [[nodiscard]] const Communicator& comm() const noexcept { return comm_; }
  /// Collective. What the others had for this rank, in the order of the senders' ranks. At most one parcel for each rank; empty
  /// ones are not delivered.
  [[nodiscard]] std::vector<Parcel> deliver(const std::vector<Parcel>& parcels) const;
  /// Collective, and explicit as Communicator::free() is.
  void free();

 private:
  const Communicator& comm_;
  int columns_ = 1;
  Communicator row_, column_;  ///< none where all ranks are one column
};

}  // namespace holdfast::mpi
