#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/copy_ways.hpp"

namespace holdfast {

/// memcpy for bytes that nobody looks at soon: what is written goes to memory around the caches, so the target's lines are not
/// read first, which is a third of the traffic. Short copies are plain ones. Other threads see the bytes as after a memcpy.
/// Which way it takes is found out by the copies themselves (copy_choice.hpp), and is said in the log.
void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

/// From now on takes this way, one of copy_ways(), in all threads; none: finds out.
void force_copy(std::optional<CopyWay> way) noexcept;

/// The way that it takes now for long copies, and why: "page_avx, measured".
[[nodiscard]] std::string copy_in_words();

}  // namespace holdfast
