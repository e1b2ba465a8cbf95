#include <gtest/gtest.h>

#include <numeric>

#include "inspect/inspect.hpp"
#include "sample_checkpoint.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast::inspect {
namespace {

using test::bytes_of;
using test::SampleCheckpoint;

/// What value_text says of the only value of a checkpoint.
template <class Fill>
std::string text_of(Fill&& fill, int ranks = 2) {
  const test::TemporaryDirectory directory;
  SampleCheckpoint sample(ranks);
  fill(sample);
  const CheckpointReader file(sample.save(directory.path(), 1));
  return value_text(file, file.entries().front());
}

TEST(ValueText, Numbers) {
  EXPECT_EQ(text_of([](auto& sample) { sample.value("v", DType::i64, {}, bytes_of(std::vector<std::int64_t>{-7})); }),
            "-7");
  EXPECT_EQ(text_of([](auto& sample) { sample.value("v", DType::f64, {}, bytes_of(std::vector<double>{0.1})); }),
            "0.1");
  EXPECT_EQ(text_of([](auto& sample) { sample.value("v", DType::boolean, {}, Bytes{std::byte{1}}); }), "true");
}

TEST(ValueText, VectorsAreCut) {
  EXPECT_EQ(text_of([](auto& sample) { sample.value("v", DType::u8, {3}, Bytes(3, std::byte{4})); }), "[4, 4, 4]");
  EXPECT_EQ(text_of([](auto& sample) { sample.value("v", DType::u8, {0}, {}); }), "[]");
  std::vector<std::uint32_t> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 1);
  EXPECT_EQ(text_of([&](auto& sample) { sample.value("v", DType::u32, {100}, bytes_of(numbers)); }),
            "[1, 2, 3, 4, 5, 6, 7, 8, … 100 in all]");
}

TEST(ValueText, StringsAreQuotedEscapedAndCut) {
  EXPECT_EQ(text_of([](auto& sample) { sample.string("s", "say \"hi\"\n\x1b[31m"); }),
            "\"say \\\"hi\\\"\\n\\x1b[31m\"");
  EXPECT_EQ(text_of([](auto& sample) { sample.string("s", ""); }), "\"\"");
  EXPECT_EQ(text_of([](auto& sample) { sample.string("s", std::string(1000, 'x')); }),
            "\"" + std::string(60, 'x') + "\"… 1000 bytes in all");
  // The cut falls into the second byte of an é.
  EXPECT_EQ(text_of([](auto& sample) { sample.string("s", std::string(59, 'x').append("ééé")); }),
            "\"" + std::string(59, 'x') + "\"… 65 bytes in all");
}

TEST(ValueText, PerRank) {
  EXPECT_EQ(text_of([](auto& sample) {
              sample.per_rank("p", DType::u8, {Bytes(1), Bytes(3)});
            }),
            "rank 0: [0], 1: [0, 0, 0]");
  EXPECT_EQ(text_of([](auto& sample) { sample.per_rank_strings("p", {"a", "bc"}); }), "rank 0: \"a\", 1: \"bc\"");
  EXPECT_EQ(text_of([](auto& sample) { sample.per_rank("p", DType::u8, std::vector<Bytes>(9, Bytes(1))); }, 9),
            "rank 0: [0], 1: [0], 2: [0], 3: [0], … 9 ranks");
}

}  // namespace
}  // namespace holdfast::inspect
