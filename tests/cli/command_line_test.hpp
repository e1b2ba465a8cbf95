#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "sample_checkpoint.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast::test {

/// A directory with checkpoints of steps 100 and 200 that differ in one element of model/weight and in the epoch.
class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    first = small_sample().save(directory.path(), 100);
    SampleCheckpoint other;
    std::vector<float> weight{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.5f};
    other.tensor("model/weight", DType::f32, {4, 3}, bytes_of(weight));
    other.tensor("model/bias", DType::bf16, {3}, bytes_of(std::vector<std::uint16_t>(3, 0x3f80)));
    other.value("epoch", DType::i64, {}, bytes_of(std::vector<std::int64_t>{17}));
    other.value("rate", DType::f64, {}, bytes_of(std::vector<double>{0.5}));
    other.string("note", "hello");
    other.per_rank("seed", DType::u64,
                   {bytes_of(std::vector<std::uint64_t>{100}), bytes_of(std::vector<std::uint64_t>{101})});
    second = other.save(directory.path(), 200);
  }
  /// Flips a byte of rank 1's rows of model/weight in the first checkpoint.
  void damage_first() const { flip_byte(first, bytes_of(std::vector<float>{6, 7, 8, 9, 10, 11})); }

  TemporaryDirectory directory;
  std::filesystem::path first, second;
};

/// Exit status 2, nothing on standard output, and one line on standard error that has all of `words`.
inline void expect_refused(const Ended& ended, const std::vector<std::string>& words) {
  EXPECT_EQ(ended.status, 2) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  for (const std::string& word : words) EXPECT_THAT(ended.err, testing::HasSubstr(word));
}

inline nlohmann::json json_of(const Ended& ended) {
  EXPECT_EQ(ended.err, "");
  return nlohmann::json::parse(ended.out);
}

}  // namespace holdfast::test
