#include "base/codec.hpp"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

enum class Colour : std::uint16_t { red = 3, blue = 700 };

struct Inner {
  std::string name;
  std::vector<std::int32_t> numbers;
  bool operator==(const Inner&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.name, self.numbers); }
};

struct Outer {
  std::uint64_t id = 0;
  double weight = 0;
  bool good = false;
  Colour colour{};
  Bytes blob;
  std::vector<Inner> items;
  bool operator==(const Outer&) const = default;
  static void fields(auto& codec, auto& self) {
    codec(self.id, self.weight, self.good, self.colour, self.blob, self.items);
  }
};

Outer sample() {
  return {~std::uint64_t{0},
          -0.25,
          true,
          Colour::blue,
          {std::byte{1}, std::byte{255}},
          {{"a", {}}, {"", {1, -2, 3}}, {"ä\0b", {}}}};
}

ErrorCode code_of(const Bytes& bytes) {
  try {
    (void)decode<Outer>(bytes);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

TEST(Codec, ReadsWhatItWrote) {
  EXPECT_EQ(decode<Outer>(encode(sample())), sample());
  EXPECT_EQ(decode<Outer>(encode(Outer{})), Outer{});
}

TEST(Codec, RefusesEveryTruncation) {
  const Bytes whole = encode(sample());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(code_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))),
              ErrorCode::communication)
        << size;
}

TEST(Codec, RefusesBytesThatAreLeft) {
  Bytes bytes = encode(sample());
  bytes.push_back(std::byte{0});
  EXPECT_EQ(code_of(bytes), ErrorCode::communication);
}

TEST(Codec, DoesNotAllocateWhatACountOnlyClaims) {
  Encoder encoder;
  encoder(std::uint64_t{1} << 60);
  const Bytes bytes = encoder.take();
  EXPECT_THROW((void)decode<std::vector<double>>(bytes), Error);
  EXPECT_THROW((void)decode<std::string>(bytes), Error);
}

}  // namespace
}  // namespace holdfast
