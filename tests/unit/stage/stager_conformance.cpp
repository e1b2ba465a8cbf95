#include "stager_conformance.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "support/sample_tensor.hpp"

namespace holdfast::stage {
namespace {

constexpr std::size_t mib = 1 << 20;

/// Pieces of one block of memory that follow each other in an arena, as dense as they come.
class Pieces {
 public:
  Pieces(Lab& lab, std::size_t bytes) : lab_(lab), content_(bytes), arena_(lab.arena(bytes)) {
    std::uint32_t number = static_cast<std::uint32_t>(bytes);
    for (std::size_t at = 0; at + 4 <= bytes; at += 4, number = number * 1664525 + 1013904223)
      std::memcpy(&content_[at], &number, 4);
    source_ = lab.source(content_);
  }

  /// Strides are in bytes; the piece starts `first` bytes into its own part of the memory, which ends after `bytes`.
  void add(Shape extent, std::vector<std::int64_t> strides, std::size_t bytes, std::size_t first = 0) {
    StridedMemory memory{content_.data() + taken_ + first, std::move(extent), std::move(strides), 4};
    expected_.resize(filled_ + packed_bytes(memory));
    pack(memory, expected_.data() + filled_);
    memory.data = source_ + taken_ + first;
    copies_.push_back({.from = memory,
                       .to = arena_.data() + filled_,
                       .space = lab_.space(),
                       .tensor = "t" + std::to_string(copies_.size())});
    taken_ += bytes;
    filled_ = expected_.size();
    ASSERT_LE(taken_, content_.size());
  }
  void add_rows(std::uint64_t rows, std::uint64_t columns, std::uint64_t pitch) {
    add({rows, columns}, {static_cast<std::int64_t>(4 * pitch), 4}, rows * pitch * 4);
  }

  void stage() {
    const auto kept = lab_.stager().prepare(copies_, arena_);
    lab_.stager().begin(copies_, nullptr)->finish(Deadline(Seconds(60)));
  }
  void expect_arrived() const {
    EXPECT_TRUE(std::equal(expected_.begin(), expected_.end(), arena_.begin()));
    EXPECT_TRUE(std::ranges::all_of(arena_.subspan(filled_), [](std::byte b) { return b == std::byte{0}; }));
  }

 private:
  Lab& lab_;
  std::vector<std::byte> content_, expected_;
  std::span<std::byte> arena_;
  std::byte* source_ = nullptr;
  std::vector<Copy> copies_;
  std::size_t taken_ = 0, filled_ = 0;
};

TEST_P(StagerConformance, CopiesSmallPieces) {
  Pieces pieces(*lab_, mib);
  for (std::uint64_t rows = 1; rows < 40; ++rows) pieces.add_rows(rows, 17, 17 + rows % 3);
  pieces.stage();
  pieces.expect_arrived();
}

TEST_P(StagerConformance, CopiesLargeAndSmallPiecesTogether) {
  Pieces pieces(*lab_, 100 * mib);
  pieces.add_rows(3, 100, 101);
  pieces.add_rows(1, 9 * mib + 13, 9 * mib + 13);  // dense, 36 MiB
  pieces.add_rows(1000, 8191, 8200);               // rows with a gap, 31 MiB
  pieces.add_rows(1, 1, 1);
  pieces.add_rows(7, 99'999, 100'000);
  pieces.stage();
  pieces.expect_arrived();
}

TEST_P(StagerConformance, CopiesAThousandTinyPieces) {
  Pieces pieces(*lab_, mib);
  for (std::uint64_t i = 0; i < 1000; ++i) pieces.add_rows(1, 1 + i % 100, 1 + i % 100);
  pieces.stage();
  pieces.expect_arrived();
}

TEST_P(StagerConformance, CopiesEveryKindOfStride) {
  Pieces pieces(*lab_, mib);
  pieces.add({6}, {8}, 48);                                    // every other element
  pieces.add({2, 3, 5}, {28 * 4, 28, 4}, 240);                 // layers with a gap
  pieces.add({2, 3, 5}, {104, 28, 4}, 220);                    // layers that are no whole rows apart
  pieces.add({2, 2, 3, 5}, {600, 28 * 4, 28, 4}, 1200);        // four dimensions with gaps
  pieces.add({2, 2, 2, 3, 5}, {1300, 600, 112, 28, 4}, 2600);  // five
  pieces.add({5}, {-4}, 20, 16);                               // backwards
  pieces.add({5, 2}, {0, 4}, 8);                               // the same row again and again
  pieces.add({4, 4}, {4, 16}, 64);                             // transposed
  pieces.add({}, {}, 4);                                       // a scalar
  pieces.stage();
  pieces.expect_arrived();
}

TEST_P(StagerConformance, CopiesStridedPiecesThatAreLarge) {
  Pieces pieces(*lab_, 80 * mib);
  pieces.add({5, 1000, 1000}, {4 * 1000 * 1010, 4 * 1010, 4}, 4 * 5 * 1000 * 1010);
  pieces.add({2, 4'500'000}, {4 * 5'000'000, 4}, 40'000'000);
  pieces.stage();
  pieces.expect_arrived();
}

TEST_P(StagerConformance, CopiesNothing) {
  lab_->stager().begin({}, nullptr)->finish(Deadline(Seconds(60)));
  const Copy empty{.from = {nullptr, {4, 0}, {0, 4}, 4}, .to = nullptr};
  lab_->stager().begin({empty}, nullptr)->finish(Deadline(Seconds(60)));
}

TEST_P(StagerConformance, CopiesAgainAndAgain) {
  for (std::size_t i = 0; i < 3; ++i) {
    Pieces pieces(*lab_, mib + 4 * i);
    pieces.add_rows(100, 500 + i, 600);
    pieces.add_rows(1, 7, 7);
    pieces.stage();
    pieces.expect_arrived();
  }
}

TEST_P(StagerConformance, CopiesPiecesOfRandomShape) {
  test::Random random(11);
  Pieces pieces(*lab_, 40 * mib);
  for (int i = 0; i < 200; ++i) {
    const Shape extent = test::random_shape(random);
    std::vector<std::int64_t> strides(extent.size());
    std::int64_t stride = 4;
    for (std::size_t d = extent.size(); d-- > 0;) {
      strides[d] = stride;
      stride = stride * static_cast<std::int64_t>(extent[d]) + static_cast<std::int64_t>(4 * test::draw(random, 0, 2));
    }
    if (volume(extent) > 0) pieces.add(extent, strides, static_cast<std::size_t>(stride));
  }
  pieces.stage();
  pieces.expect_arrived();
}

}  // namespace
}  // namespace holdfast::stage
