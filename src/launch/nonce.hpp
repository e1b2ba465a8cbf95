#pragma once

#include <string>

namespace holdfast::launch {

/// 128 random bits that tell this run's helpers from all others.
[[nodiscard]] std::string make_nonce();

}  // namespace holdfast::launch
