#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>

namespace holdfast {

/// A checksum of the tensors in their order: names, types, boxes, strides and addresses, but not contents. It is
/// updated as tensors are added, so a save recognizes the tensors of the last save in constant time.
[[nodiscard]] std::uint64_t tensors_checksum(const StateDict& state) noexcept;

}  // namespace holdfast
