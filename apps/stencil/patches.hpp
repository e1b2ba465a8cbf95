#pragma once

#include <mpi.h>

#include <cstdint>
#include <holdfast/checkpoint_reader.hpp>
#include <holdfast/state_dict.hpp>
#include <vector>

namespace stencil {

/// Patches of finer cells, as an adaptive mesh has them: from step to step they come, go and move, and each belongs to
/// one rank. In a checkpoint all of them lie one behind the other, with a list that says which is which.
class Patches {
 public:
  explicit Patches(MPI_Comm ranks);

  /// Collective. Patches come and go for this step, and those that stay change their cells.
  void step(std::int64_t step);
  /// Collective. XOR over the cells of all patches; the same for any number of ranks.
  [[nodiscard]] std::uint64_t checksum() const;

  /// Collective. Adds this rank's patches to a state that is saved next: their number differs from save to save.
  void add_to(holdfast::StateDict& state);
  /// Makes room for this rank's share of the patches in a checkpoint, and adds it to a state that is loaded next.
  void make_room(const holdfast::CheckpointReader& file, holdfast::StateDict& state);

 private:
  static constexpr std::uint64_t cells = 8 * 8 * 8;
  struct Patch {
    std::int64_t id = 0;
    std::vector<double> values = std::vector<double>(cells);
  };
  [[nodiscard]] bool is_own(std::int64_t id) const { return id % count_ == rank_; }

  MPI_Comm ranks_;
  int rank_ = 0, count_ = 1;
  std::vector<Patch> patches_;      ///< this rank's, by id
  std::vector<std::int64_t> list_;  ///< their ids, as a checkpoint has them
};

}  // namespace stencil
