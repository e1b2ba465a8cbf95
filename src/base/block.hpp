#pragma once

#include <cstddef>

namespace holdfast {

/// Rows of bytes at a fixed distance, in layers at a fixed distance, as a copy engine moves them in one call. Packed,
/// the rows follow each other without gaps.
struct Block {
  std::size_t bytes = 0;  ///< bytes of one row
  std::size_t rows = 1;
  std::size_t pitch = 0;  ///< bytes from row to row, at least `bytes`
  std::size_t layers = 1;
  std::size_t layer_rows = 1;  ///< pitches from layer to layer, at least `rows`

  [[nodiscard]] std::size_t packed_bytes() const noexcept { return bytes * rows * layers; }
};

}  // namespace holdfast
