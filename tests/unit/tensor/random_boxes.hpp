#pragma once

#include <random>
#include <vector>

#include "tensor/box.hpp"

/// Random shapes and shardings for property tests; the same for the same seed.
namespace holdfast::test {

/// 0 to `max_dimensions` dimensions of 1 to `max_extent` elements.
[[nodiscard]] Shape random_shape(std::mt19937& random, std::size_t max_dimensions, std::uint64_t max_extent);
/// A box in `global` that is not empty.
[[nodiscard]] Box random_box(std::mt19937& random, const Shape& global);
/// At most `pieces` boxes that cover `global` exactly, cut at random places in random order.
[[nodiscard]] std::vector<Box> random_partition(std::mt19937& random, const Shape& global, std::size_t pieces);
/// A box for each rank: together they cover `global`, some are replicas of others, some are empty.
[[nodiscard]] std::vector<Box> random_sharding(std::mt19937& random, const Shape& global, int ranks);

}  // namespace holdfast::test
