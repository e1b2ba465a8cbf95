#include "storage/format/extents.hpp"

#include <gmock/gmock.h>

#include <numeric>
#include <random>

namespace holdfast::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

MATCHER_P3(ExtentIs, offset, at, bytes, "") {
  return arg.offset == static_cast<std::uint64_t>(offset) && arg.data == at &&
         arg.bytes == static_cast<std::uint64_t>(bytes);
}

class ExtentsTest : public testing::Test {
 protected:
  const plan::Dataset cube_{"cube", plan::DatasetKind::tensor, DType::f32, {4, 3, 5}};
  const Placed placed_{cube_, 1000};
  std::vector<std::byte> memory_ = std::vector<std::byte>(4096);
  const std::byte* const packed_ = memory_.data();
};

TEST_F(ExtentsTest, RowsAreOne) {
  const Box rows{{1, 0, 0}, {2, 3, 5}};
  EXPECT_TRUE(placed_.is_contiguous(rows));
  EXPECT_THAT(placed_.extents(rows, packed_), ElementsAre(ExtentIs(1000 + 15 * 4, packed_, 30 * 4)));
}

TEST_F(ExtentsTest, AColumnIsManyInTheOrderOfTheFile) {
  const Box column{{0, 1, 2}, {2, 2, 1}};
  EXPECT_FALSE(placed_.is_contiguous(column));
  EXPECT_THAT(placed_.extents(column, packed_),
              ElementsAre(ExtentIs(1000 + 7 * 4, packed_, 4), ExtentIs(1000 + 12 * 4, packed_ + 4, 4),
                          ExtentIs(1000 + 22 * 4, packed_ + 8, 4), ExtentIs(1000 + 27 * 4, packed_ + 12, 4)));
}

TEST_F(ExtentsTest, NothingOfAnEmptyBoxAllOfAScalar) {
  EXPECT_THAT(placed_.extents({{0, 0, 0}, {0, 3, 5}}, packed_), IsEmpty());
  const plan::Dataset scalar{"scalar", plan::DatasetKind::tensor, DType::c128, {}};
  EXPECT_THAT((Placed{scalar, 64}.extents({{}, {}}, packed_)), ElementsAre(ExtentIs(64, packed_, 16)));
}

TEST_F(ExtentsTest, AStringCountsBytes) {
  const plan::Dataset text{"text", plan::DatasetKind::string, DType::u8, {40}};
  EXPECT_THAT((Placed{text, 64}.extents({{10}, {5}}, packed_)), ElementsAre(ExtentIs(74, packed_, 5)));
}

/// Any box: put where its extents say, it is where row-major order wants it.
TEST_F(ExtentsTest, RandomBoxes) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    plan::Dataset dataset{"w", plan::DatasetKind::tensor, DType::u8, {}};
    Box box;
    for (auto d = 1 + random() % 4; d > 0; --d) {
      const std::uint64_t global = 1 + random() % 6, offset = random() % global;
      dataset.global.push_back(global);
      box.offset.push_back(offset);
      box.extent.push_back(1 + random() % (global - offset));
    }
    std::vector<std::byte> packed(volume(box.extent)), file(volume(dataset.global)), expected(file.size());
    for (std::size_t i = 0; i < packed.size(); ++i) {
      packed[i] = static_cast<std::byte>(1 + i % 255);
      std::uint64_t rest = i, position = 0, stride = 1;
      for (std::size_t d = box.dimensions(); d-- > 0;) {
        position += (box.offset[d] + rest % box.extent[d]) * stride;
        rest /= box.extent[d];
        stride *= dataset.global[d];
      }
      expected[position] = packed[i];
    }
    const auto extents = Placed{dataset, 0}.extents(box, packed.data());
    for (const Extent& extent : extents)
      std::copy_n(extent.data, extent.bytes, file.begin() + static_cast<long>(extent.offset));
    ASSERT_EQ(file, expected) << to_string(box) << " of " << to_string(dataset.global);
    EXPECT_EQ((Placed{dataset, 0}.is_contiguous(box)), extents.size() == 1);
  }
}

}  // namespace
}  // namespace holdfast::storage
