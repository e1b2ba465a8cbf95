#include <array>
#include <holdfast/tensor.hpp>

namespace holdfast {
namespace {

struct Description {
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array<Description, dtype_count> descriptions = {{
    {"f64", 8},
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
    {"c128", 16},
}};

const Description& describe(DType dtype) {
  static constexpr Description unknown{"unknown", 0};
  return is_known(dtype) ? descriptions[static_cast<std::size_t>(dtype)] : unknown;
}

}  // namespace

bool is_known(DType dtype) noexcept {
  return static_cast<std::size_t>(dtype) < descriptions.size();
}

std::size_t size_of(DType dtype) noexcept {
  return describe(dtype).bytes;
}

std::string_view to_string(DType dtype) noexcept {
  return describe(dtype).name;
}

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  for (std::size_t i = 0; i < descriptions.size(); ++i)
    if (descriptions[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace holdfast
