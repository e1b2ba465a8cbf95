#include <gtest/gtest.h>

#include <complex>
#include <holdfast/tensor.hpp>
#include <set>
#include <string>

namespace holdfast {
namespace {

TEST(DType, EveryNameLeadsBackToItsType) {
  std::set<std::string_view> names;
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(to_string(dtype)), dtype);
    names.insert(to_string(dtype));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(dtype_count));
  EXPECT_EQ(parse_dtype("float"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
}

TEST(DType, SizesAreThoseOfTheirNames) {
  for (const auto& [name, bytes] : {std::pair("f64", 8),
                                    {"f32", 4},
                                    {"f16", 2},
                                    {"bf16", 2},
                                    {"f8e4m3", 1},
                                    {"f8e5m2", 1},
                                    {"i8", 1},
                                    {"i16", 2},
                                    {"i32", 4},
                                    {"i64", 8},
                                    {"u8", 1},
                                    {"u16", 2},
                                    {"u32", 4},
                                    {"u64", 8},
                                    {"bool", 1},
                                    {"c64", 8},
                                    {"c128", 16}}) {
    ASSERT_TRUE(parse_dtype(name).has_value()) << name;
    EXPECT_EQ(size_of(*parse_dtype(name)), static_cast<std::size_t>(bytes)) << name;
  }
}

TEST(DType, WhatIsNoneIsUnknown) {
  for (const int number : {dtype_count, 99, 255}) {
    const auto none = static_cast<DType>(number);
    EXPECT_FALSE(is_known(none));
    EXPECT_EQ(size_of(none), 0U);
    EXPECT_EQ(to_string(none), "unknown");
  }
  EXPECT_TRUE(is_known(DType::f64) && is_known(DType::c128));
}

TEST(DType, OfCppTypes) {
  EXPECT_EQ(dtype_of<double>(), DType::f64);
  EXPECT_EQ(dtype_of<float>(), DType::f32);
  EXPECT_EQ(dtype_of<bool>(), DType::boolean);
  EXPECT_EQ(dtype_of<signed char>(), DType::i8);
  EXPECT_EQ(dtype_of<short>(), DType::i16);
  EXPECT_EQ(dtype_of<int>(), DType::i32);
  EXPECT_EQ(dtype_of<long>(), DType::i64);
  EXPECT_EQ(dtype_of<long long>(), DType::i64);
  EXPECT_EQ(dtype_of<unsigned char>(), DType::u8);
  EXPECT_EQ(dtype_of<unsigned short>(), DType::u16);
  EXPECT_EQ(dtype_of<unsigned>(), DType::u32);
  EXPECT_EQ(dtype_of<std::size_t>(), DType::u64);
}

TEST(View, ReplicatedCoversTheWhole) {
  double data[6];
  const TensorView view = replicated(data, DType::f64, {2, 3}, {1, 2});
  EXPECT_EQ(view.data, data);
  EXPECT_TRUE(view.writable);
  EXPECT_EQ(view.shard.global, (Shape{2, 3}));
  EXPECT_EQ(view.shard.offset, (Shape{0, 0}));
  EXPECT_EQ(view.shard.extent, (Shape{2, 3}));
  EXPECT_EQ(view.shard.stride, (std::vector<std::int64_t>{1, 2}));
}

TEST(View, OfConstMemoryIsNotWritable) {
  const float data[4] = {};
  EXPECT_FALSE(replicated(data, DType::f32, {4}).writable);
  EXPECT_FALSE(shard(data, DType::f32, {.global = {8}, .offset = {4}, .extent = {4}}).writable);
  float more[4] = {};
  EXPECT_TRUE(shard(more, DType::f32, {.global = {8}, .offset = {4}, .extent = {4}}).writable);
}

}  // namespace
}  // namespace holdfast
