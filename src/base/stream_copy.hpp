#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/copy_ways.hpp"

namespace holdfast {

/// memcpy for bytes that are not read again soon. Its stores bypass the caches, so the target's lines are not read
/// first, which saves a third of the traffic. Short copies are plain ones. Other threads see the bytes as after a
/// memcpy. CopyChoice chooses the way by timing the copies and logs it.
void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

/// Fixes the way, one of copy_ways(), for all threads from now on; none: by measurement.
void force_copy(std::optional<CopyWay> way) noexcept;

/// The current way of long copies and why it was chosen: "page_avx, measured".
[[nodiscard]] std::string copy_in_words();

}  // namespace holdfast
