#include "storage/tables.hpp"

#include <gmock/gmock.h>

namespace holdfast::storage {
namespace {

using plan::Dataset;
using plan::Kind;
using testing::ElementsAre;

std::vector<Dataset> sample_datasets() {
  return {{"model/w", Kind::tensor, DType::f32, {4, 6}},
          {"epoch", Kind::value, DType::i64, {}},
          {"rng", Kind::per_rank, DType::u8, {5}},
          {"name", Kind::string, DType::u8, {0}}};
}

std::vector<ChunkRecord> sample_chunks() {
  return {{2, 1, {{3}, {2}}, 11},
          {0, 1, {{2, 0}, {2, 6}}, 22},
          {0, 0, {{0, 0}, {2, 6}}, 33},
          {1, 0, {{}, {}}, 44},
          {2, 0, {{3}, {0}}, 55}};
}

TEST(Tables, ComeBackAsTheyWere) {
  const auto datasets = sample_datasets();
  const Tables tables = make_tables(datasets, sample_chunks());
  const auto parsed = parse_datasets(tables);
  ASSERT_EQ(parsed.size(), datasets.size());
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    EXPECT_EQ(parsed[i].name, datasets[i].name);
    EXPECT_EQ(parsed[i].kind, datasets[i].kind);
  }
  EXPECT_THAT(parse_chunks(tables, datasets),
              ElementsAre(ChunkRecord{0, 0, {{0, 0}, {2, 6}}, 33}, ChunkRecord{0, 1, {{2, 0}, {2, 6}}, 22},
                          ChunkRecord{1, 0, {{}, {}}, 44}, ChunkRecord{2, 0, {{3}, {0}}, 55}, ChunkRecord{2, 1, {{3}, {2}}, 11}));
}

TEST(Tables, SizesAreKnownBeforeTheChunksAre) {
  const TableSizes before = sizes_of(sample_datasets());
  const Tables tables = make_tables(sample_datasets(), sample_chunks());
  EXPECT_EQ(before.datasets, tables.sizes.datasets);
  EXPECT_EQ(before.name_bytes, 8U);
  EXPECT_EQ(before.name_bytes, tables.sizes.name_bytes);
  EXPECT_EQ(tables.sizes.chunks, 5U);
  EXPECT_EQ(tables.sizes.boxes, 4U + 4U + 0U + 2U + 2U);
}

TEST(Tables, TheChecksumSeesEveryTable) {
  const Tables tables = make_tables(sample_datasets(), sample_chunks());
  Tables changed = tables;
  changed.datasets[0] ^= std::byte{1};
  EXPECT_NE(changed.checksum(), tables.checksum());
  changed = tables;
  changed.chunks.back().xxh3 ^= 1;
  EXPECT_NE(changed.checksum(), tables.checksum());
  changed = tables;
  changed.boxes.back() ^= 1;
  EXPECT_NE(changed.checksum(), tables.checksum());
}

TEST(Tables, RowsThatPointNowhereAreRefused) {
  const auto datasets = sample_datasets();
  const auto refused = [&](const std::function<void(Tables&)>& damage) {
    Tables tables = make_tables(datasets, sample_chunks());
    damage(tables);
    try {
      (void)parse_chunks(tables, datasets);
    } catch (const Error& error) {
      return error.code() == ErrorCode::corrupt;
    }
    return false;
  };
  EXPECT_TRUE(refused([](Tables& t) { t.chunks[0].dataset = 4; }));
  EXPECT_TRUE(refused([](Tables& t) { t.chunks[0].rank = -1; }));
  EXPECT_TRUE(refused([](Tables& t) { t.chunks[0].rank = std::int64_t{1} << 40; }));
  EXPECT_TRUE(refused([](Tables& t) { t.chunks[0].first = t.boxes.size() - 3; }));
  EXPECT_TRUE(refused([](Tables& t) { t.chunks[0].first = ~std::uint64_t{0}; }));
  EXPECT_TRUE(refused([](Tables& t) { t.boxes[0] = ~std::uint64_t{0}; }));
  EXPECT_TRUE(refused([](Tables& t) { t.boxes[2] = 5; }));
  EXPECT_FALSE(refused([](Tables&) {}));
}

TEST(Tables, AKindThatIsNoneIsRefused) {
  Tables tables = make_tables(sample_datasets(), {});
  tables.datasets[tables.sizes.name_bytes] = static_cast<std::byte>(Kind::group);
  EXPECT_THROW((void)parse_datasets(tables), Error);
}

}  // namespace
}  // namespace holdfast::storage
