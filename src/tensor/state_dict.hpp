#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>
#include <string_view>

namespace holdfast {

/// A checksum of the tensors in their order: names, types, boxes, strides and addresses, but not contents. It is
/// updated as tensors are added, so a save recognizes the tensors of the last save in constant time.
[[nodiscard]] std::uint64_t tensors_checksum(const StateDict& state) noexcept;

/// Says what is wrong with a name of a tensor or value, as the end of a sentence; null for a good one.
[[nodiscard]] const char* fault_of_name(std::string_view name) noexcept;

}  // namespace holdfast
