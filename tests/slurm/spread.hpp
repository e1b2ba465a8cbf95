#pragma once

#include <algorithm>
#include <cstdint>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

/// How the tests on several nodes spread bytes over ranks and nodes.
namespace holdfast::test {

/// Where this rank runs. Nodes are numbered by their lowest rank.
struct Place {
  int rank = 0, ranks = 0;
  int node = 0, nodes = 0;
  int rank_on_node = 0, ranks_on_node = 0;

  /// Collective.
  static Place find(MPI_Comm comm) {
    Place place{.rank = rank_in(comm), .ranks = size_of_comm(comm)};
    MPI_Comm on_node = MPI_COMM_NULL;
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, place.rank, MPI_INFO_NULL, &on_node);
    place.rank_on_node = rank_in(on_node);
    place.ranks_on_node = size_of_comm(on_node);
    const int first = place.rank_on_node == 0 ? 1 : 0;
    MPI_Scan(&first, &place.node, 1, MPI_INT, MPI_SUM, comm);
    place.node -= 1;
    MPI_Bcast(&place.node, 1, MPI_INT, 0, on_node);
    MPI_Allreduce(&first, &place.nodes, 1, MPI_INT, MPI_SUM, comm);
    MPI_Comm_free(&on_node);
    return place;
  }
};

/// Part `part` of `parts` of a shape that is cut in one dimension at n * (p / parts)^2: parts of very uneven size,
/// which are empty where n is small.
inline Box uneven_part(const Shape& global, std::size_t dimension, int part, int parts) {
  const auto p = static_cast<std::uint64_t>(part), all = static_cast<std::uint64_t>(parts);
  const std::uint64_t n = global[dimension], first = n * p * p / (all * all),
                      last = n * (p + 1) * (p + 1) / (all * all);
  Box box = whole(global);
  box.offset[dimension] = first;
  box.extent[dimension] = last - first;
  return box;
}

inline Box no_part(const Shape& global) {
  return {Shape(global.size(), 0), Shape(global.size(), 0)};
}

/// Tensors of every way to be spread: cut by rows and by columns, held by all, with ghost cells; some above 1 MiB,
/// which all helpers write together, some below, some so small that most ranks have none of it. Any number of ranks can
/// make it.
inline std::vector<SampleTensor> spread_tensors(int rank, int ranks) {
  std::vector<SampleTensor> tensors;
  const auto cut = [&](const std::string& name, DType dtype, const Shape& global, std::size_t dimension,
                       std::uint64_t ghosts = 0) {
    tensors.emplace_back(name, dtype, global, uneven_part(global, dimension, rank, ranks), tensors.size(), ghosts);
  };
  const auto held_by_all = [&](const std::string& name, DType dtype, const Shape& global) {
    tensors.emplace_back(name, dtype, global, whole(global), tensors.size());
  };
  cut("large/rows", DType::f32, {1500, 400}, 0);
  cut("large/columns", DType::f64, {300, 500}, 1);
  cut("large/field", DType::bf16, {40, 120, 130}, 1, 2);
  held_by_all("large/replica", DType::u8, {3, 1 << 19});
  held_by_all("small/replica", DType::i64, {7, 5});
  for (int n = 0; n < 30; ++n)
    cut("small/layer" + std::to_string(n), DType::f16, {3, 4 + static_cast<std::uint64_t>(n)}, 1);
  return tensors;
}

}  // namespace holdfast::test
