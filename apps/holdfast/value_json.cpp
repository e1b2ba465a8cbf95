#include "value_json.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <nlohmann/json.hpp>

#include "tensor/box.hpp"
#include "tensor/convert.hpp"
#include "tensor/stored_type.hpp"
#include "tensor/text.hpp"

namespace holdfast::cli {
namespace {

using nlohmann::json;

json number_json(DType dtype, const std::byte* element) {
  return visit(dtype, [&]<class T>(T) -> json {
    if constexpr (std::integral<T>)
      return load_element<T>(element);
    else if constexpr (std::same_as<T, Boolean>)
      return load_element<T>(element).bits != 0;
    else if constexpr (is_complex<T>) {
      constexpr DType part = dtype_of<typename T::value_type>();
      return json::array({number_json(part, element), number_json(part, element + sizeof(T) / 2)});
    } else {
      const double number = to_double(dtype, element);
      return std::isfinite(number) ? json(number) : json(number_text(dtype, element));
    }
  });
}

json value_of(const SavedEntry& entry, const std::vector<std::byte>& bytes) {
  if (entry.kind == SavedKind::string) return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  json numbers = json::array();
  for (std::size_t at = 0; at < bytes.size(); at += size_of(entry.dtype))
    numbers.push_back(number_json(entry.dtype, bytes.data() + at));
  return entry.shape.empty() ? numbers.front() : numbers;
}

}  // namespace

json value_json(const CheckpointReader& file, const SavedEntry& entry) {
  if (volume(entry.shape) * size_of(entry.dtype) > 64 * 1024) return nullptr;
  if (!entry.per_rank) return value_of(entry, file.bytes(entry.name));
  std::vector<SavedBox> parts = file.boxes(entry.name);
  std::ranges::stable_sort(parts, {}, &SavedBox::rank);
  json all = json::array();
  for (const SavedBox& part : parts)
    all.push_back({{"rank", part.rank}, {"value", value_of(entry, file.bytes(entry.name, part.rank))}});
  return all;
}

}  // namespace holdfast::cli
