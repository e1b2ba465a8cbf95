#pragma once

#include <string>

namespace holdfast::launch {

/// Returns 128 random bits in hexadecimal, which tell this run's helpers from all others.
[[nodiscard]] std::string make_nonce();

}  // namespace holdfast::launch
