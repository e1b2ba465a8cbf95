#pragma once

#include <cstddef>
#include <span>

namespace holdfast::fuzz {

/// A helper's server among ranks that say whatever `script` says, and a drain that reads every byte which a save names.
void serve(std::span<const std::byte> script);

}  // namespace holdfast::fuzz
