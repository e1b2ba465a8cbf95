#pragma once

#include <cstddef>

namespace holdfast {

/// memcpy for bytes that nobody looks at soon: what is written goes to memory around the caches, so the target's lines are not
/// read first, which is a third of the traffic. Short copies are plain ones. Other threads see the bytes as after a memcpy.
void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

}  // namespace holdfast
