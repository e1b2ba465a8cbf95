#include "storage/format/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <holdfast/error.hpp>
#include <nlohmann/json.hpp>
#include <utility>

namespace holdfast::storage::safetensors {
namespace {

using nlohmann::json;

Error corrupt(std::string sentence, const std::string& tensor = {}) {
  return {ErrorCode::corrupt, std::move(sentence), {.tensor = tensor}};
}

json parse(std::span<const std::byte> text, const char* what) {
  const auto* begin = reinterpret_cast<const char*>(text.data());
  json parsed = json::parse(begin, begin + text.size(), nullptr, false);
  if (!parsed.is_object()) throw corrupt(fmt::format("{} is not a JSON object", what));
  return parsed;
}

DType dtype_named(const std::string& name, const std::string& tensor) {
  constexpr std::array<std::pair<const char*, DType>, 16> names{{{"F64", DType::f64},
                                                                 {"F32", DType::f32},
                                                                 {"F16", DType::f16},
                                                                 {"BF16", DType::bf16},
                                                                 {"F8_E4M3", DType::f8e4m3},
                                                                 {"F8_E5M2", DType::f8e5m2},
                                                                 {"I8", DType::i8},
                                                                 {"I16", DType::i16},
                                                                 {"I32", DType::i32},
                                                                 {"I64", DType::i64},
                                                                 {"U8", DType::u8},
                                                                 {"U16", DType::u16},
                                                                 {"U32", DType::u32},
                                                                 {"U64", DType::u64},
                                                                 {"BOOL", DType::boolean},
                                                                 {"C64", DType::c64}}};
  const auto found = std::ranges::find(names, name, [](const auto& pair) { return std::string_view(pair.first); });
  if (found == names.end())
    throw Error(ErrorCode::unsupported_version, fmt::format("this version has no dtype for {}", name),
                {.tensor = tensor});
  return found->second;
}

/// One tensor's entry of a header. Offsets count from `data`, the end of the header.
PlacedTensor tensor_of(const std::string& name, const json& entry, std::uint64_t data, std::uint64_t file_bytes) try {
  PlacedTensor tensor{{name, plan::DatasetKind::tensor, dtype_named(entry.at("dtype").get<std::string>(), name),
                       entry.at("shape").get<Shape>()},
                      0};
  const auto [begin, end] = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
  const Shape& shape = tensor.dataset.global;
  const auto elements = checked_volume(shape, size_of(tensor.dataset.dtype));
  if (shape.size() > max_dimensions || !elements || end < begin ||
      end - begin != *elements * size_of(tensor.dataset.dtype) || end > file_bytes - data)
    throw Error(ErrorCode::corrupt,
                fmt::format("its shape {} and its place {} to {} do not fit", to_string(shape), begin, end),
                {.tensor = name});
  tensor.begin = data + begin;
  return tensor;
} catch (const json::exception&) {
  throw Error(ErrorCode::corrupt, "its entry in the header is not one of safetensors", {.tensor = name});
}

/// Whether the name is that of a file in the same folder.
bool is_plain(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos;
}

}  // namespace

std::vector<PlacedTensor> parse_header(std::span<const std::byte> header, std::uint64_t file_bytes) {
  const std::uint64_t data = length_bytes + header.size();
  if (data > file_bytes) throw corrupt("the file ends in its header");
  std::vector<PlacedTensor> tensors;
  const json parsed = parse(header, "the header");
  for (const auto& [name, entry] : parsed.items())
    if (name != "__metadata__") tensors.push_back(tensor_of(name, entry, data, file_bytes));
  return tensors;
}

std::map<std::string, std::set<std::string>> parse_index(std::span<const std::byte> index) {
  const json parsed = parse(index, "the index");
  const auto map = parsed.find("weight_map");
  if (map == parsed.end() || !map->is_object()) throw corrupt("the index has no weight_map");
  std::map<std::string, std::set<std::string>> files;
  for (const auto& [tensor, name] : map->items()) {
    if (!name.is_string() || !is_plain(name.get<std::string>()))
      throw corrupt("the index names no file beside it", tensor);
    files[name.get<std::string>()].insert(tensor);
  }
  return files;
}

}  // namespace holdfast::storage::safetensors
