#include "storage/format/tables.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <functional>

namespace holdfast::storage {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using testing::ElementsAre;

constexpr std::uint64_t file_bytes = 10000;

std::vector<Dataset> sample_datasets() {
  return {{"model/w", DatasetKind::tensor, DType::f32, {4, 6}},
          {"epoch", DatasetKind::value, DType::i64, {}},
          {"rng", DatasetKind::per_rank, DType::u8, {5}},
          {"name", DatasetKind::string, DType::u8, {0}}};
}
const std::vector<std::uint64_t> sample_addresses = {9000, 800, 9995, 0};

/// What two writers saved.
std::vector<std::vector<ChunkRecord>> sample_chunks() {
  return {{{2, 0, {{3}, {0}}, 55}, {0, 0, {{0, 0}, {2, 6}}, 33}, {1, 0, {{}, {}}, 44}},
          {{2, 1, {{3}, {2}}, 11}, {0, 1, {{2, 0}, {2, 6}}, 22}}};
}

/// The tables as a reader finds them.
struct Tables : Index {
  std::vector<ChunkRow> chunks = {};
  std::vector<std::uint64_t> boxes = {};

  /// Has the parts and their sums fit what is in the tables, as far as the parts reach.
  void sum_up() {
    parts.pop_back();
    RowPlace place;
    for (PartRow& part : parts) {
      part.xxh3 = segment(place, part.chunks, part.boxes).part().xxh3;
      place = {place.chunk + part.chunks, place.box + part.boxes};
    }
    parts = make_parts(parts, definitions.checksum());
  }
  [[nodiscard]] Segment segment(const RowPlace& place, std::uint64_t chunk_count, std::uint64_t box_count) const {
    const auto chunk = chunks.begin() + static_cast<std::ptrdiff_t>(place.chunk);
    const auto box = boxes.begin() + static_cast<std::ptrdiff_t>(place.box);
    return {{chunk, chunk + static_cast<std::ptrdiff_t>(chunk_count)},
            {box, box + static_cast<std::ptrdiff_t>(box_count)}};
  }
};

std::vector<ChunkRecord> read(const Tables& tables, const Interests& interests = Interests(4, Interest{})) {
  Index index = tables;
  index.sizes.chunks = tables.chunks.size();
  index.sizes.boxes = tables.boxes.size();
  check_index(index);
  const auto rows = [&](const RowPlace& place, Segment& segment) {
    segment = tables.segment(place, segment.chunks.size(), segment.boxes.size());
  };
  return read_chunks(index, rows, sample_datasets(), interests);
}

void check(const Tables& tables) {
  static_cast<void>(read(tables));
}

Tables make_tables(const std::vector<std::vector<ChunkRecord>>& writers = sample_chunks()) {
  Tables tables;
  tables.sizes = sizes_of(sample_datasets());
  tables.definitions = make_definitions(sample_datasets(), sample_addresses);
  std::vector<PartRow> parts;
  for (const auto& chunks : writers) {
    const Segment segment = make_segment(chunks, tables.boxes.size());
    tables.chunks.insert(tables.chunks.end(), segment.chunks.begin(), segment.chunks.end());
    tables.boxes.insert(tables.boxes.end(), segment.boxes.begin(), segment.boxes.end());
    parts.push_back(segment.part());
  }
  tables.parts = make_parts(parts, tables.definitions.checksum());
  return tables;
}

/// Is it corrupt, once `damage` is done to the tables? With checksums that fit, if they are made anew.
bool is_refused(const std::function<void(Tables&)>& damage, const std::function<void(const Tables&)>& check) {
  Tables tables = make_tables();
  damage(tables);
  try {
    check(tables);
  } catch (const Error& error) {
    return error.code() == ErrorCode::corrupt;
  }
  return false;
}

TEST(Tables, ComeBackAsTheyWere) {
  const Tables tables = make_tables();
  const PlacedDatasets placed = parse_datasets(tables, file_bytes);
  EXPECT_EQ(placed.datasets, sample_datasets());
  EXPECT_EQ(placed.addresses, sample_addresses);
  EXPECT_THAT(read(tables),
              ElementsAre(ChunkRecord{0, 0, {{0, 0}, {2, 6}}, 33, 0}, ChunkRecord{1, 0, {{}, {}}, 44, 1},
                          ChunkRecord{2, 0, {{3}, {0}}, 55, 2}, ChunkRecord{0, 1, {{2, 0}, {2, 6}}, 22, 3},
                          ChunkRecord{2, 1, {{3}, {2}}, 11, 4}));
}

TEST(Tables, OnlyWantedChunksAreKept) {
  const ChunkRecord first{0, 0, {{0, 0}, {2, 6}}, 33, 0}, second{0, 1, {{2, 0}, {2, 6}}, 22, 3},
      empty{2, 0, {{3}, {0}}, 55, 2};
  const auto wanted = [](std::size_t dataset, const Interest& interest) {
    Interests interests(4);
    interests[dataset] = interest;
    return read(make_tables(), interests);
  };
  EXPECT_THAT(wanted(0, {}), ElementsAre(first, second));
  EXPECT_THAT(wanted(0, {.rank = 1}), ElementsAre(second));
  const auto inside_of = [&](const Box& box) {
    const BoxIndex index({&box});
    return wanted(0, {.boxes = &index});
  };
  EXPECT_THAT(inside_of({{1, 5}, {1, 1}}), ElementsAre(first));
  EXPECT_THAT(inside_of({{1, 0}, {2, 1}}), ElementsAre(first, second));
  EXPECT_THAT(inside_of({{1, 0}, {0, 6}}), ElementsAre());
  EXPECT_THAT(wanted(2, {.rank = 0}), ElementsAre(empty)) << "nothing is what this rank saved";
  EXPECT_THAT(wanted(3, {}), ElementsAre());
}

/// What nobody wants is checked all the same.
TEST(Tables, ADamagedRowThatIsNotWantedIsFound) {
  Tables tables = make_tables();
  tables.chunks[3].xxh3 ^= 1;
  EXPECT_THROW(static_cast<void>(read(tables, Interests(4))), Error);
}

TEST(Tables, SizesAreKnownBeforeTheChunksAre) {
  const TableSizes sizes = sizes_of(sample_datasets());
  EXPECT_EQ(sizes.datasets, 4U);
  EXPECT_EQ(sizes.name_bytes, 8U);
  const Tables tables = make_tables();
  EXPECT_EQ(tables.definitions.rows.size(), sizes.datasets * sizes.dataset_row_bytes());
  EXPECT_EQ(tables.definitions.shapes.size(), sizes.shapes);
}

TEST(Tables, TheLastPartSumsUp) {
  const Tables tables = make_tables();
  ASSERT_EQ(tables.parts.size(), 3U);
  EXPECT_EQ(tables.parts[0].chunks, 3U);
  EXPECT_EQ(tables.parts[0].boxes, 4U + 0U + 2U);
  EXPECT_EQ(tables.parts[1].chunks, 2U);
  EXPECT_EQ(tables.parts[2].chunks, 5U);
  EXPECT_EQ(tables.parts[2].boxes, 6U + 6U);
}

TEST(Tables, OfNothingAreFine) {
  const Tables tables = make_tables({{}, {}});
  EXPECT_TRUE(read(tables).empty());
}

TEST(Tables, EveryFlippedBitIsFound) {
  const Tables whole = make_tables();
  int tried = 0;
  const auto flip_all = [&](const auto& table_of) {
    const std::size_t bytes = std::as_bytes(std::span(table_of(const_cast<Tables&>(whole)))).size();
    for (std::size_t bit = 0; bit < 8 * bytes; ++bit, ++tried) {
      Tables tables = whole;
      std::as_writable_bytes(std::span(table_of(tables)))[bit / 8] ^= std::byte{1} << bit % 8;
      EXPECT_THROW(check(tables), Error) << bit;
    }
  };
  flip_all([](Tables & t) -> auto& { return t.definitions.rows; });
  flip_all([](Tables & t) -> auto& { return t.definitions.shapes; });
  flip_all([](Tables & t) -> auto& { return t.chunks; });
  flip_all([](Tables & t) -> auto& { return t.boxes; });
  flip_all([](Tables & t) -> auto& { return t.parts; });
  EXPECT_GT(tried, 3000);
}

/// What is left of an older save fits its own row of the parts table, but not the last one.
TEST(Tables, APartOfAnotherSaveIsFound) {
  auto older_chunks = sample_chunks();
  older_chunks[1][0].checksum = 12;
  const Tables older = make_tables(older_chunks);
  EXPECT_TRUE(is_refused(
      [&](Tables& t) {
        t.chunks = older.chunks;
        t.parts[1] = older.parts[1];
      },
      check));
}

TEST(Tables, PartsThatDoNotFitTheTablesAreRefused) {
  const auto refused = [](const std::function<void(Tables&)>& damage) {
    const auto with_new_sum = [&](Tables& t) {
      damage(t);
      t.parts.pop_back();
      t.parts = make_parts(t.parts, t.definitions.checksum());
    };
    return is_refused(with_new_sum, check);
  };
  EXPECT_FALSE(refused([](Tables&) {}));
  EXPECT_TRUE(refused([](Tables& t) { t.parts[0].chunks = 6; }));
  EXPECT_TRUE(refused([](Tables& t) { t.parts[0].boxes = ~std::uint64_t{0}; }));
  EXPECT_TRUE(refused([](Tables& t) { t.parts[0].chunks = 2, t.parts[1].chunks = 3; }));
  EXPECT_TRUE(refused(
      [](Tables& t) { t.parts[1].chunks += std::uint64_t{1} << 63, t.parts[0].chunks += std::uint64_t{1} << 63; }));
  EXPECT_TRUE(refused([](Tables& t) { t.chunks.push_back({}); }));
  EXPECT_TRUE(refused([](Tables& t) { t.boxes.push_back(0); }));
  EXPECT_TRUE(is_refused([](Tables& t) { t.parts.clear(); }, check));
}

TEST(Tables, RowsThatPointNowhereAreRefused) {
  const auto refused = [](const std::function<void(Tables&)>& damage) {
    const auto with_new_sums = [&](Tables& t) {
      damage(t);
      t.sum_up();
    };
    return is_refused(with_new_sums, check);
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

TEST(Tables, DatasetsThatCannotBeAreRefused) {
  const auto refused = [](std::size_t dataset, const std::function<void(DatasetRow&)>& damage) {
    const auto in_row = [&](Tables& t) {
      std::byte* const at = t.definitions.rows.data() + dataset * t.sizes.dataset_row_bytes() + t.sizes.name_bytes;
      DatasetRow row;
      std::memcpy(&row, at, sizeof row);
      damage(row);
      std::memcpy(at, &row, sizeof row);
    };
    return is_refused(in_row, [](const Tables& t) { (void)parse_datasets(t, file_bytes); });
  };
  constexpr std::uint64_t huge = ~std::uint64_t{0};
  EXPECT_FALSE(refused(0, [](DatasetRow&) {}));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.kind = static_cast<std::uint8_t>(DatasetKind::group); }));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.dtype = dtype_count; }));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.dimensions = 5; })) << "there are four numbers in the shapes table";
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.dimensions = 255; }));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.shape = 3; }));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.shape = huge; }));
  EXPECT_TRUE(refused(0, [](DatasetRow& r) { r.address = 0; })) << "it has bytes";
  EXPECT_TRUE(refused(3, [](DatasetRow& r) { r.dtype = static_cast<std::uint8_t>(DType::i8); })) << "a string is of u8";
  EXPECT_TRUE(refused(3, [](DatasetRow& r) { r.dimensions = 0; })) << "a string has a length";
}

TEST(Tables, ShapesThatDoNotFitTheFileAreRefused) {
  const auto refused = [](std::uint64_t rows, std::uint64_t columns) {
    return is_refused([&](Tables& t) { t.definitions.shapes[0] = rows, t.definitions.shapes[1] = columns; },
                      [](const Tables& t) { (void)parse_datasets(t, file_bytes); });
  };
  EXPECT_FALSE(refused(4, 6));
  EXPECT_TRUE(refused(1000, 1000));
  EXPECT_TRUE(refused(std::uint64_t{1} << 63, 2)) << "the number of elements overflows";
  EXPECT_TRUE(refused(std::uint64_t{1} << 62, 1)) << "the number of bytes overflows";
}

}  // namespace
}  // namespace holdfast::storage
