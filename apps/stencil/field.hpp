#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <holdfast/tensor.hpp>
#include <vector>

namespace stencil {

using Triple = std::array<std::int64_t, 3>;

/// A rank's block of a periodic cube of n x n x n cells, with a layer of ghost cells around it.
class Field {
 public:
  /// Collective. `ranks` are a Cartesian communicator of three periodic dimensions.
  Field(MPI_Comm ranks, std::int64_t n);

  /// The value of a cell by its place in the cube, from a formula.
  void fill(double (*value)(const Triple& cell, std::int64_t n));
  /// Collective. One explicit step of the heat equation.
  void step();
  /// Collective. XOR over a hash of each cell's bits and its place: the same for any number of ranks.
  [[nodiscard]] std::uint64_t checksum() const;
  /// The cells without ghosts, as a box of the cube.
  [[nodiscard]] holdfast::TensorView view();

 private:
  [[nodiscard]] std::size_t at(std::int64_t x, std::int64_t y, std::int64_t z) const {
    return static_cast<std::size_t>(((x + 1) * (extent_[1] + 2) + y + 1) * (extent_[2] + 2) + z + 1);
  }
  template <class Visit>
  void for_each_cell(Visit&& visit) const;
  void exchange_ghosts();

  MPI_Comm ranks_;
  std::int64_t n_;
  Triple begin_{}, extent_{};
  std::vector<double> now_, next_;
};

/// Mixes the bits of a number and its place into a hash (SplitMix64).
[[nodiscard]] std::uint64_t mixed(double value, std::uint64_t place);

}  // namespace stencil
