#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "tensor/box.hpp"

/// Do boxes cover a shape exactly? Both questions take about N log N steps for boxes that are cut along one dimension,
/// and stay far below N squared for grids. Empty boxes must be left out.
namespace holdfast {

/// Positions of two boxes that share an element, if there are any.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find_overlap(std::span<const Box> boxes);

/// A box of `global` that none of `boxes` covers, if there is one. The boxes lie inside `global` and do not overlap.
[[nodiscard]] std::optional<Box> find_hole(const Shape& global, std::span<const Box> boxes);

}  // namespace holdfast
