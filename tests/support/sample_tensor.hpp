#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <holdfast/tensor.hpp>
#include <random>
#include <string>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast::test {

/// One rank's part of a tensor whose content is a function of `seed` and the global position, so that any rank can say
/// what any element has to be. `ghosts` elements of padding lie around the box in every dimension.
class SampleTensor {
 public:
  SampleTensor(std::string name, DType dtype, Shape global, Box box, std::uint64_t seed, std::uint64_t ghosts = 0);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] TensorView view();
  /// Sets each element of the box to what the seed says, and the padding to a pattern of its own.
  void fill();
  /// Sets every byte, padding included, to the padding's pattern.
  void clear();
  /// Is every byte as clear() leaves it?
  [[nodiscard]] bool is_clear() const;
  /// Are all elements of the box what the seed says, and is the padding untouched? Otherwise what is wrong first, in
  /// words.
  [[nodiscard]] std::string mistake() const;

 private:
  template <class Visit>
  void visit_elements(Visit&& visit) const;
  /// The first size_of(dtype) bytes count.
  [[nodiscard]] std::array<std::byte, 16> element(std::uint64_t global_index) const;

  std::string name_;
  DType dtype_;
  Shape global_;
  Box box_;
  std::uint64_t seed_;
  std::vector<std::int64_t> stride_;  ///< in elements
  std::size_t first_ = 0;             ///< element of the buffer at which the box starts
  std::vector<std::byte> buffer_;
};

using Random = std::mt19937_64;

/// A number in [least, most].
std::uint64_t draw(Random& random, std::uint64_t least, std::uint64_t most);
/// 0 to 4 dimensions of 0 to 13 elements, seldom 0.
Shape random_shape(Random& random);
/// `global` cut at random places into `parts` boxes that cover it exactly; some may be empty.
std::vector<Box> random_partition(Random& random, const Shape& global, std::size_t parts);

/// A box in `global`; empty only where `global` is.
Box random_box(Random& random, const Shape& global);

}  // namespace holdfast::test
