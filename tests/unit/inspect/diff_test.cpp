#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "inspect/inspect.hpp"
#include "sample_checkpoint.hpp"
#include "support/temporary_directory.hpp"
#include "tensor/convert.hpp"

namespace holdfast::inspect {
namespace {

using test::bytes_of;
using test::SampleCheckpoint;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = Difference::Aspect;

class Diff : public testing::Test {
 protected:
  /// The report on two checkpoints that `first` and `second` fill.
  template <class First, class Second>
  DiffReport compare(First&& first, Second&& second, int first_ranks = 2, int second_ranks = 2) {
    SampleCheckpoint a(first_ranks), b(second_ranks);
    first(a);
    second(b);
    return diff(a.save(directory.path(), 1), b.save(directory.path(), 2));
  }
  /// The only difference between two values of one tensor of these numbers.
  template <class T>
  Difference difference(DType dtype, std::vector<T> first, std::vector<T> second) {
    const auto fill = [&](const std::vector<T>& numbers) {
      return [&, dtype](SampleCheckpoint& sample) { sample.tensor("t", dtype, {numbers.size()}, bytes_of(numbers)); };
    };
    const DiffReport report = compare(fill(first), fill(second));
    EXPECT_THAT(report.differences, SizeIs(1));
    return report.differences.empty() ? Difference{} : report.differences.front();
  }
  test::TemporaryDirectory directory;
};

TEST_F(Diff, EqualIsEqualWhateverStepAndRanks) {
  const auto fill = [](SampleCheckpoint& sample) { sample.tensor("t", DType::f32, {6}, Bytes(24, std::byte{1})); };
  const DiffReport report = compare(fill, fill, 2, 3);
  EXPECT_EQ(report.compared, 1u);
  EXPECT_THAT(report.differences, IsEmpty());
}

TEST_F(Diff, NamesOnOneSideOnly) {
  const DiffReport report = compare(
      [](auto& sample) {
        sample.string("b", "x");
        sample.tensor("both", DType::u8, {1}, Bytes(1));
      },
      [](auto& sample) {
        sample.tensor("both", DType::u8, {1}, Bytes(1));
        sample.tensor("a", DType::f16, {2}, Bytes(4));
      });
  EXPECT_EQ(report.compared, 1u);
  ASSERT_THAT(report.differences, SizeIs(2));
  EXPECT_EQ(report.differences[0].name, "a");
  EXPECT_EQ(report.differences[0].kind, Kind::only_in_second);
  EXPECT_THAT(report.differences[0].text, HasSubstr("f16 (2)"));
  EXPECT_EQ(report.differences[1].name, "b");
  EXPECT_EQ(report.differences[1].kind, Kind::only_in_first);
}

TEST_F(Diff, TypesAndShapes) {
  const DiffReport report = compare(
      [](auto& sample) {
        sample.tensor("shape", DType::u8, {2, 3}, Bytes(6));
        sample.tensor("type", DType::f32, {1}, Bytes(4));
        sample.string("kind", "x");
      },
      [](auto& sample) {
        sample.tensor("shape", DType::u8, {3, 2}, Bytes(6));
        sample.tensor("type", DType::i32, {1}, Bytes(4));
        sample.value("kind", DType::u8, {1}, Bytes(1));
      });
  ASSERT_THAT(report.differences, SizeIs(3));
  EXPECT_EQ(report.differences[0].kind, Kind::type);
  EXPECT_EQ(report.differences[1].kind, Kind::shape);
  EXPECT_EQ(report.differences[1].text, "(2, 3) / (3, 2)");
  EXPECT_EQ(report.differences[2].kind, Kind::type);
  EXPECT_EQ(report.differences[2].text, "a tensor of f32 / a tensor of i32");
}

TEST_F(Diff, CountsElementsAndSaysTheFirstAndTheLargest) {
  std::vector<float> numbers(20, 1.0f), others = numbers;
  others[7] = 1.5f;
  others[19] = -3.0f;
  const DiffReport report = compare(
      [&](auto& sample) {
        sample.tensor("t", DType::f32, {4, 5}, bytes_of(numbers));
      },
      [&](auto& sample) {
        sample.tensor("t", DType::f32, {4, 5}, bytes_of(others));
      });
  ASSERT_THAT(report.differences, SizeIs(1));
  EXPECT_EQ(report.differences[0].kind, Kind::content);
  EXPECT_EQ(report.differences[0].elements, 2u);
  EXPECT_EQ(report.differences[0].largest, 4.0);
  EXPECT_EQ(report.differences[0].text, "[1, 2]: 1 / 1.5");
}

TEST_F(Diff, IsBitByBit) {
  EXPECT_EQ(difference(DType::f64, std::vector<double>{0.0}, std::vector<double>{-0.0}).largest, 0.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(difference(DType::f64, std::vector<double>{nan}, std::vector<double>{1.0}).largest,
            std::numeric_limits<double>::infinity());
  const auto same = [&](auto& sample) { sample.tensor("t", DType::f64, {1}, bytes_of(std::vector<double>{nan})); };
  EXPECT_THAT(compare(same, same).differences, IsEmpty());
}

TEST_F(Diff, MeasuresEveryDtype) {
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    const std::uint8_t number = 1;
    Bytes zero(size_of(dtype)), one(size_of(dtype));

    convert(DType::u8, reinterpret_cast<const std::byte*>(&number), dtype, one.data(), 1);
    const DiffReport report = compare([&](auto& sample) { sample.tensor("t", dtype, {1}, zero); },
                                      [&](auto& sample) { sample.tensor("t", dtype, {1}, one); });
    ASSERT_THAT(report.differences, SizeIs(1)) << to_string(dtype);
    EXPECT_EQ(report.differences[0].largest, 1.0) << to_string(dtype);
    EXPECT_EQ(report.differences[0].elements, 1u) << to_string(dtype);
  }
}

TEST_F(Diff, FindsTheOnlyDifferenceInATensorOfManyPieces) {
  const Shape shape{3, 1 << 21};  // 24 MiB of f32, read in pieces of 8
  std::vector<float> numbers(volume(shape), 0.25f);
  const auto first = [&](auto& sample) { sample.tensor("t", DType::f32, shape, bytes_of(numbers)); };
  auto others = numbers;
  others[volume(shape) - 3] = 0.75f;
  const DiffReport report =
      compare(first, [&](auto& sample) { sample.tensor("t", DType::f32, shape, bytes_of(others)); });
  ASSERT_THAT(report.differences, SizeIs(1));
  EXPECT_EQ(report.differences[0].elements, 1u);
  EXPECT_EQ(report.differences[0].text, "[2, 2097149]: 0.25 / 0.75");
}

TEST_F(Diff, ValuesAndStrings) {
  const DiffReport report = compare(
      [](auto& sample) {
        sample.value("epoch", DType::i64, {}, bytes_of(std::vector<std::int64_t>{7}));
        sample.string("length", "ab");
        sample.string("text", "ab");
      },
      [](auto& sample) {
        sample.value("epoch", DType::i64, {}, bytes_of(std::vector<std::int64_t>{9}));
        sample.string("length", "abc");
        sample.string("text", "ac");
      });
  ASSERT_THAT(report.differences, SizeIs(3));
  EXPECT_EQ(report.differences[0].text, "7 / 9");
  EXPECT_EQ(report.differences[0].largest, 2.0);
  EXPECT_EQ(report.differences[1].kind, Kind::content);
  EXPECT_EQ(report.differences[1].text, "\"ab\" / \"abc\"");
  EXPECT_EQ(report.differences[2].text, "\"ab\" / \"ac\"");
  EXPECT_EQ(report.differences[2].elements, 1u);
}

TEST_F(Diff, PerRankValuesOnlyBetweenEqualNumbersOfRanks) {
  const auto seeds = [](std::vector<Bytes> parts) {
    return [parts](auto& sample) { sample.per_rank("seed", DType::u8, parts); };
  };
  const auto fewer = seeds({Bytes{std::byte{1}}, Bytes{std::byte{2}}});
  const auto more = seeds({Bytes{std::byte{1}}, Bytes{std::byte{2}}, Bytes{std::byte{3}}});
  const DiffReport other_ranks = compare(fewer, more, 2, 3);
  EXPECT_EQ(other_ranks.compared, 0u);
  EXPECT_THAT(other_ranks.differences, IsEmpty());
  EXPECT_THAT(compare(fewer, seeds({Bytes{std::byte{1}}, Bytes{std::byte{9}}})).differences, SizeIs(1));
}

TEST_F(Diff, PerRankValuesOfOtherLengthsDifferThoughTheirBytesInARowAreTheSame) {
  const auto first = [](auto& sample) { sample.per_rank("seed", DType::u8, {Bytes(1), Bytes(2)}); };
  const auto second = [](auto& sample) { sample.per_rank("seed", DType::u8, {Bytes(2), Bytes(1)}); };
  const DiffReport report = compare(first, second);
  ASSERT_THAT(report.differences, SizeIs(1));
  EXPECT_EQ(report.differences[0].kind, Kind::shape);
  EXPECT_EQ(report.differences[0].text, "rank 0: [0], 1: [0, 0] / rank 0: [0, 0], 1: [0]");
}

}  // namespace
}  // namespace holdfast::inspect
