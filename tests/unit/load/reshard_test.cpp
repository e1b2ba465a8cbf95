#include "load/reshard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "unit/tensor/random_boxes.hpp"

namespace holdfast::load {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using plan::Item;
using storage::ChunkRecord;
using testing::ElementsAre;

/// The read list of `rank`, found with the chunks alone that it asks for. Their numbers are those of `chunks`.
ReadList reads(const std::vector<Dataset>& datasets, std::span<const ChunkRecord> chunks,
               const std::vector<Item>& wanted, int savers, int rank = 0, const LoadOptions& options = {}) {
  const plan::Names names(datasets);
  Resharding resharding(wanted, {datasets, names, savers}, rank, options);
  const storage::Interests interests = resharding.interests();
  std::vector<std::uint32_t> numbers;
  std::vector<ChunkRecord> kept;
  for (std::uint32_t i = 0; i < chunks.size(); ++i) {
    const auto& interest = interests[chunks[i].dataset];
    if (!interest || (interest->rank && *interest->rank != chunks[i].rank)) continue;
    if (interest->boxes != nullptr && !interest->boxes->any(chunks[i].box)) continue;
    numbers.push_back(i);
    kept.push_back(chunks[i]);
  }
  ReadList list = resharding.reads(kept);
  for (BoxRead& read : list.reads)
    for (ChunkPart& part : read.parts) part.chunk = numbers[part.chunk];
  return list;
}

/// What a small file has: two ranks saved it.
struct File {
  std::vector<Dataset> datasets = {
      {"w", DatasetKind::tensor, DType::f32, {4, 2}}, {"lr", DatasetKind::value, DType::f64, {}},
      {"rates", DatasetKind::value, DType::f64, {3}}, {"note", DatasetKind::string, DType::u8, {5}},
      {"rng", DatasetKind::per_rank, DType::u8, {7}}, {"seed", DatasetKind::per_rank, DType::u64, {2}},
      {"none", DatasetKind::string, DType::u8, {0}},  {"empty", DatasetKind::per_rank, DType::u8, {1}}};
  std::vector<ChunkRecord> chunks = {{0, 0, {{0, 0}, {2, 2}}}, {0, 1, {{2, 0}, {2, 2}}}, {1, 0, {}},
                                     {2, 1, whole({3})},       {3, 0, whole({5})},       {4, 0, {{0}, {3}}},
                                     {4, 1, {{3}, {4}}},       {5, 0, {{0}, {1}}},       {5, 1, {{1}, {1}}},
                                     {7, 0, {{0}, {1}}},       {7, 1, {{1}, {0}}}};

  [[nodiscard]] ReadList load(const std::vector<Item>& wanted, int rank = 0, const LoadOptions& options = {}) const {
    return reads(datasets, chunks, wanted, 2, rank, options);
  }
};

Item tensor(Shape global, Box box, DType dtype = DType::f32) {
  return {"w", DatasetKind::tensor, dtype, std::move(global), std::move(box)};
}
Item value(const char* name, Shape shape, DType dtype = DType::f64, DatasetKind kind = DatasetKind::value) {
  return {name, kind, dtype, shape, whole(shape)};
}
Item per_rank(const char* name, Shape shape, DType dtype = DType::u8) {
  return {name, DatasetKind::per_rank, dtype, {}, whole(shape)};
}

/// Whose parts are read, ascending.
std::vector<std::uint32_t> chunks_of(const ReadList& list) {
  std::vector<std::uint32_t> chunks;
  for (const BoxRead& read : list.reads)
    for (const ChunkPart& part : read.parts) chunks.push_back(part.chunk);
  std::ranges::sort(chunks);
  return chunks;
}

std::string refusal(const File& file, const Item& item, ErrorCode code = ErrorCode::mismatch,
                    const LoadOptions& options = {}) {
  try {
    (void)file.load({item}, 0, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.context().tensor, item.name);
    return error.message();
  }
  return "taken";
}

TEST(Reshard, ReadsTheWantedBoxAndKnowsItsChunks) {
  const ReadList list = File().load({tensor({4, 2}, {{1, 0}, {2, 2}})});
  ASSERT_EQ(list.reads.size(), 1U);
  EXPECT_EQ(list.reads[0].item, 0U);
  EXPECT_EQ(list.reads[0].dataset, 0U);
  EXPECT_EQ(list.reads[0].box, (Box{{1, 0}, {2, 2}}));
  EXPECT_THAT(chunks_of(list), ElementsAre(0, 1));
  EXPECT_THAT(chunks_of(File().load({tensor({4, 2}, {{2, 1}, {2, 1}})})), ElementsAre(1));
}

TEST(Reshard, AnEmptyPartReadsNothingButCountsAsWanted) {
  const ReadList list = File().load({tensor({4, 2}, {{4, 0}, {0, 2}})});
  EXPECT_TRUE(list.reads.empty());
  EXPECT_TRUE(chunks_of(list).empty());
  EXPECT_TRUE(list.dataset_used[0]);
  EXPECT_FALSE(list.dataset_used[1]);
}

TEST(Reshard, ValuesTakeTheFilesLength) {
  const ReadList list = File().load({value("rates", {9}), value("note", {0}, DType::u8, DatasetKind::string),
                                     value("none", {4}, DType::u8, DatasetKind::string)});
  ASSERT_EQ(list.reads.size(), 3U);
  EXPECT_EQ(list.reads[0].box, whole({3}));
  EXPECT_EQ(list.reads[1].box, whole({5}));
  EXPECT_EQ(list.reads[2].box, whole({0}));
  EXPECT_THAT(chunks_of(list), ElementsAre(3, 4));
}

TEST(Reshard, PerRankValuesGoBackToTheirRank) {
  const std::vector<Item> wanted = {per_rank("rng", {1}), per_rank("seed", {}, DType::u64)};
  EXPECT_EQ(File().load(wanted, 0).reads[0].box, (Box{{0}, {3}}));
  EXPECT_EQ(File().load(wanted, 1).reads[0].box, (Box{{3}, {4}}));
  EXPECT_EQ(File().load(wanted, 1).reads[1].box, (Box{{1}, {1}}));
  EXPECT_THAT(chunks_of(File().load(wanted, 1)), ElementsAre(6, 8));
}

TEST(Reshard, MoreRanksThanSavedTakeTheValuesInTurn) {
  for (int rank = 2; rank < 7; ++rank)
    EXPECT_EQ(File().load({per_rank("rng", {1})}, rank).reads[0].box,
              File().load({per_rank("rng", {1})}, rank % 2).reads[0].box);
}

TEST(Reshard, AnEmptyPerRankValueIsReadAsEmpty) {
  const ReadList list = File().load({per_rank("empty", {5})}, 1);
  ASSERT_EQ(list.reads.size(), 1U);
  EXPECT_EQ(list.reads[0].box, (Box{{1}, {0}}));
  EXPECT_TRUE(list.missing.empty());
}

TEST(Reshard, NamesWhatIsMissing) {
  File file;
  std::erase_if(file.chunks, [](const ChunkRecord& chunk) { return chunk.dataset == 4 && chunk.rank == 1; });
  const ReadList list = file.load({value("unknown", {}), value("lr", {}), per_rank("rng", {1})}, 1);
  EXPECT_THAT(list.missing, ElementsAre("unknown", "rng"));
  ASSERT_EQ(list.reads.size(), 1U);
  EXPECT_EQ(list.reads[0].item, 1U);
}

TEST(Reshard, RefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal({}, tensor({4, 3}, {{0, 0}, {4, 3}})),
            "the global shape is (4, 2) in the file, and (4, 3) in the program");
  EXPECT_EQ(refusal({}, tensor({8}, {{0}, {8}})), "the global shape is (4, 2) in the file, and (8) in the program");
  EXPECT_EQ(refusal({}, tensor({4, 2}, {{0, 0}, {4, 2}}, DType::f64)),
            "the dtype is f32 in the file, and f64 in the program");
  EXPECT_EQ(refusal({}, value("w", {4}, DType::f32)), "it is a tensor in the file, and a value in the program");
  EXPECT_EQ(refusal({}, value("lr", {1})), "the global shape is () in the file, and (1) in the program");
  EXPECT_EQ(refusal({}, value("rates", {})), "the global shape is (3) in the file, and () in the program");
  EXPECT_EQ(refusal({}, value("rng", {}, DType::u8)), "it is a per-rank value in the file, and a value in the program");
  EXPECT_EQ(refusal({}, per_rank("rng", {})), "rank 0 saved 3 numbers, and the program wants one");
}

TEST(Reshard, ConvertRelaxesTheDTypeAndNothingElse) {
  const LoadOptions convert{.convert = true};
  EXPECT_EQ(refusal({}, tensor({4, 2}, {{0, 0}, {4, 2}}, DType::f64), ErrorCode::mismatch, convert), "taken");
  EXPECT_THAT(refusal({}, tensor({4, 3}, {{0, 0}, {4, 3}}, DType::f64), ErrorCode::mismatch, convert),
              testing::StartsWith("the global shape"));
  EXPECT_THAT(refusal({}, value("w", {4}), ErrorCode::mismatch, convert), testing::StartsWith("it is a tensor"));
}

TEST(Reshard, AFileWhoseChunksDoNotFitIsCorrupt) {
  File holes;
  holes.chunks.erase(holes.chunks.begin());
  EXPECT_EQ(refusal(holes, tensor({4, 2}, {{1, 0}, {2, 2}}), ErrorCode::corrupt),
            "the file has 2 of the 4 elements in [1:3, 0:2]");
  EXPECT_EQ(refusal(holes, tensor({4, 2}, {{2, 0}, {2, 2}})), "taken");
}

TEST(Reshard, SeveralBoxesEachHaveTheirReadAndAMissingTensorIsNamedOnce) {
  const Item upper = tensor({4, 2}, {{0, 0}, {3, 2}}), lower = tensor({4, 2}, {{1, 1}, {3, 1}});
  Item unknown = upper;
  unknown.name = "unknown";
  const ReadList list = File().load({upper, unknown, lower, upper, unknown});
  ASSERT_EQ(list.reads.size(), 3U);
  EXPECT_EQ(list.reads[0].box, upper.box);
  EXPECT_EQ(list.reads[1].box, lower.box);
  EXPECT_EQ(list.reads[2].item, 3U);
  EXPECT_THAT(chunks_of(list), ElementsAre(0, 0, 0, 1, 1, 1));
  EXPECT_THAT(list.missing, ElementsAre("unknown"));
}

/// Random shardings of random shapes, saved and wanted: the reads are what each rank holds, and the chunks those that
/// share an element with it.
TEST(ReshardProperty, AnySavedShardingServesAnyOther) {
  std::mt19937 random(51);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const Shape global = test::random_shape(random, 4, 7);
    const std::vector<Dataset> datasets = {{"other", DatasetKind::tensor, DType::f32, {1}},
                                           {"w", DatasetKind::tensor, DType::f32, global}};
    std::vector<ChunkRecord> chunks = {{0, 0, {{0}, {1}}}};
    for (const Box& box : test::random_partition(random, global, 1 + random() % 5)) chunks.push_back({1, 0, box});
    std::shuffle(chunks.begin(), chunks.end(), random);
    for (const Box& box : test::random_sharding(random, global, 1 + static_cast<int>(random() % 5))) {
      const std::vector<Item> wanted = {tensor(global, box)};
      const ReadList list = reads(datasets, chunks, wanted, 1);
      ASSERT_EQ(list.reads.size(), empty(box) ? 0U : 1U);
      if (!empty(box)) {
        EXPECT_EQ(list.reads[0].box, box);
      }
      for (std::uint32_t i = 0; i < chunks.size(); ++i)
        EXPECT_EQ(std::ranges::count(chunks_of(list), i),
                  chunks[i].dataset == 1 && intersect(chunks[i].box, box) ? 1 : 0);
    }
  }
}

}  // namespace
}  // namespace holdfast::load
