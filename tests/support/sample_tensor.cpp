#include "support/sample_tensor.hpp"

#include <algorithm>
#include <cstring>

namespace holdfast::test {
namespace {

constexpr std::byte padding{0xA5};

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

SampleTensor::SampleTensor(std::string name, DType dtype, Shape global, Box box, std::uint64_t seed,
                           std::uint64_t ghosts)
    : name_(std::move(name)), dtype_(dtype), global_(std::move(global)), box_(std::move(box)), seed_(seed) {
  Shape padded = box_.extent;
  for (auto& extent : padded) extent += 2 * ghosts;
  stride_ = packed_strides(padded);
  for (const std::int64_t stride : stride_) first_ += static_cast<std::size_t>(stride) * ghosts;
  buffer_.assign(volume(padded) * size_of(dtype_), padding);
}

TensorView SampleTensor::view() {
  return shard(static_cast<void*>(buffer_.data() + first_ * size_of(dtype_)), dtype_,
               {.global = global_, .offset = box_.offset, .extent = box_.extent, .stride = stride_});
}

/// Any bit pattern is fine for numbers; a boolean is 0 or 1.
std::array<std::byte, 16> SampleTensor::element(std::uint64_t global_index) const {
  const std::uint64_t low = mix(seed_ * 1000003 + global_index * 2), high = mix(seed_ * 1000003 + global_index * 2 + 1);
  std::array<std::byte, 16> bytes{};
  std::memcpy(bytes.data(), &low, 8);
  std::memcpy(bytes.data() + 8, &high, 8);
  if (dtype_ == DType::boolean) bytes[0] &= std::byte{1};
  return bytes;
}

/// visit(byte offset in the buffer, row-major index in the global shape) for each element of the box.
template <class Visit>
void SampleTensor::visit_elements(Visit&& visit) const {
  Shape at(box_.dimensions(), 0);
  for (std::uint64_t n = volume(box_.extent); n > 0; --n) {
    std::uint64_t global_index = 0;
    std::size_t place = first_;
    for (std::size_t d = 0; d < at.size(); ++d) {
      global_index = global_index * global_[d] + box_.offset[d] + at[d];
      place += static_cast<std::size_t>(stride_[d]) * at[d];
    }
    visit(place * size_of(dtype_), global_index);
    for (std::size_t d = at.size(); d-- > 0 && ++at[d] == box_.extent[d];) at[d] = 0;
  }
}

void SampleTensor::fill() {
  clear();
  visit_elements([&](std::size_t place, std::uint64_t index) {
    const auto bytes = element(index);
    std::memcpy(buffer_.data() + place, bytes.data(), size_of(dtype_));
  });
}

void SampleTensor::clear() {
  std::fill(buffer_.begin(), buffer_.end(), padding);
}

bool SampleTensor::is_clear() const {
  return std::ranges::all_of(buffer_, [](std::byte byte) { return byte == padding; });
}

std::string SampleTensor::mistake() const {
  std::string text;
  std::vector<bool> inside(buffer_.size(), false);
  visit_elements([&](std::size_t place, std::uint64_t index) {
    const auto bytes = element(index);
    std::fill_n(inside.begin() + static_cast<std::ptrdiff_t>(place), size_of(dtype_), true);
    if (text.empty() && std::memcmp(buffer_.data() + place, bytes.data(), size_of(dtype_)) != 0)
      text = name_ + ": element " + std::to_string(index) + " of " + to_string(global_) + " is wrong in box " +
             to_string(box_);
  });
  for (std::size_t i = 0; i < buffer_.size() && text.empty(); ++i)
    if (!inside[i] && buffer_[i] != padding) text = name_ + ": padding byte " + std::to_string(i) + " was written";
  return text;
}

std::uint64_t draw(Random& random, std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
}

Shape random_shape(Random& random) {
  Shape shape(draw(random, 0, 4));
  for (auto& extent : shape) extent = draw(random, 0, 19) == 0 ? 0 : draw(random, 1, 13);
  return shape;
}

std::vector<Box> random_partition(Random& random, const Shape& global, std::size_t parts) {
  std::vector<Box> boxes = {whole(global)};
  while (boxes.size() < parts && !global.empty()) {
    const std::size_t which = draw(random, 0, boxes.size() - 1), d = draw(random, 0, global.size() - 1);
    Box& low = boxes[which];
    Box high = low;
    const std::uint64_t cut = draw(random, 0, low.extent[d]);
    low.extent[d] = cut;
    high.offset[d] += cut;
    high.extent[d] -= cut;
    boxes.push_back(high);
  }
  return boxes;  // fewer than `parts` for a scalar, which cannot be cut
}

Box random_box(Random& random, const Shape& global) {
  Box box = whole(global);
  for (std::size_t d = 0; d < global.size(); ++d) {
    if (global[d] == 0) continue;
    box.offset[d] = draw(random, 0, global[d] - 1);
    box.extent[d] = draw(random, 1, global[d] - box.offset[d]);
  }
  return box;
}

}  // namespace holdfast::test
