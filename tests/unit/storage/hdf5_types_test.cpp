#include "storage/format/hdf5_types.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace holdfast::storage {
namespace {

/// HDF5's own conversion is the independent judge of a float layout.
double as_double(const FileTypes& types, DType dtype, std::uint16_t bits) {
  alignas(double) std::byte buffer[sizeof(double)] = {};
  std::memcpy(buffer, &bits, holdfast::size_of(dtype));
  EXPECT_GE(H5Tconvert(types.of(dtype), H5T_NATIVE_DOUBLE, 1, buffer, nullptr, H5P_DEFAULT), 0);
  double value = 0;
  std::memcpy(&value, buffer, sizeof value);
  return value;
}

TEST(FileTypes, HaveTheSizeOfTheirDtypeAndAreFoundAgain) {
  const FileTypes types;
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(H5Tget_size(types.of(dtype)), holdfast::size_of(dtype)) << to_string(dtype);
    EXPECT_EQ(types.find(types.of(dtype)), dtype) << to_string(dtype);
  }
}

TEST(FileTypes, ForeignTypesAreNone) {
  const FileTypes types;
  EXPECT_EQ(types.find(H5T_IEEE_F32BE), std::nullopt);
  EXPECT_EQ(types.find(H5T_STD_I64BE), std::nullopt);
  EXPECT_EQ(types.find(H5T_C_S1), std::nullopt);
  EXPECT_EQ(types.find(hdf5::enum_type(H5T_STD_I8LE).get()), std::nullopt);
}

TEST(FileTypes, SmallFloatsMeanWhatTheirFormatsSay) {
  const FileTypes types;
  EXPECT_EQ(as_double(types, DType::f16, 0x3c00), 1.0);
  EXPECT_EQ(as_double(types, DType::f16, 0xc100), -2.5);
  EXPECT_EQ(as_double(types, DType::f16, 0x0001), std::ldexp(1.0, -24));
  EXPECT_EQ(as_double(types, DType::f16, 0x7bff), 65504.0);
  EXPECT_EQ(as_double(types, DType::bf16, 0x3f80), 1.0);
  EXPECT_EQ(as_double(types, DType::bf16, 0xc049), -3.140625);
  EXPECT_EQ(as_double(types, DType::bf16, 0x0001), std::ldexp(1.0, -133));
  EXPECT_EQ(as_double(types, DType::f8e4m3, 0x38), 1.0);
  EXPECT_EQ(as_double(types, DType::f8e4m3, 0xc9), -4.5);
  EXPECT_EQ(as_double(types, DType::f8e4m3, 0x01), std::ldexp(1.0, -9));
  EXPECT_EQ(as_double(types, DType::f8e5m2, 0x3c), 1.0);
  EXPECT_EQ(as_double(types, DType::f8e5m2, 0xc5), -5.0);
  EXPECT_EQ(as_double(types, DType::f8e5m2, 0x7b), 57344.0);
}

TEST(FileTypes, EveryBrainFloatIsTheTopHalfOfAFloat) {
  const FileTypes types;
  for (std::uint32_t bits = 0; bits < 0x7f80; bits += 7)
    EXPECT_EQ(as_double(types, DType::bf16, static_cast<std::uint16_t>(bits)), double{std::bit_cast<float>(bits << 16)})
        << bits;
}

TEST(FileTypes, PathsFollowTheKind) {
  EXPECT_EQ(path_of({"a/b", plan::DatasetKind::tensor, DType::f32, {}}), "/state/a/b");
  EXPECT_EQ(path_of({"a", plan::DatasetKind::string, DType::u8, {}}), "/state/a");
  EXPECT_EQ(path_of({"a", plan::DatasetKind::per_rank, DType::u8, {}}), "/holdfast/per_rank/a");
  EXPECT_EQ(path_of({"a", plan::DatasetKind::per_rank_string, DType::u8, {}}), "/holdfast/per_rank/a");
}

}  // namespace
}  // namespace holdfast::storage
