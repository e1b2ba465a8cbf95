#pragma once

#include <cstddef>

namespace holdfast {

/// Rows of bytes at a fixed distance, in layers at a fixed distance: what a copy engine moves at once. Packed elsewhere, they
/// follow each other.
struct Block {
  std::size_t bytes = 0;  ///< of a row
  std::size_t rows = 1;
  std::size_t pitch = 0;  ///< bytes from row to row; not less than `bytes`
  std::size_t layers = 1;
  std::size_t layer_rows = 1;  ///< pitches from layer to layer; not less than `rows`

  [[nodiscard]] std::size_t packed_bytes() const noexcept { return bytes * rows * layers; }
};

}  // namespace holdfast
