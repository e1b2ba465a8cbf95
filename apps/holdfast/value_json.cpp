#include "value_json.hpp"

#include <cmath>
#include <concepts>
#include <map>
#include <nlohmann/json.hpp>

#include "base/codec.hpp"
#include "tensor/convert.hpp"
#include "tensor/stored_type.hpp"
#include "tensor/text.hpp"

namespace holdfast::cli {
namespace {

using nlohmann::json;
using plan::DatasetKind;

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

json part_json(const storage::CheckpointReader& file, std::uint32_t dataset, const Box& box) {
  const plan::Dataset& definition = file.datasets()[dataset];
  const std::size_t size = size_of(definition.dtype);
  Bytes bytes(volume(box.extent) * size);
  file.read(dataset, box, bytes.data());
  if (definition.kind == DatasetKind::string || definition.kind == DatasetKind::per_rank_string)
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  json numbers = json::array();
  for (std::size_t at = 0; at < bytes.size(); at += size)
    numbers.push_back(number_json(definition.dtype, bytes.data() + at));
  return box.extent.empty() ? numbers.front() : numbers;
}

}  // namespace

json value_json(const storage::CheckpointReader& file, std::uint32_t dataset) {
  const plan::Dataset& definition = file.datasets()[dataset];
  if (volume(definition.global) * size_of(definition.dtype) > 64 * 1024) return nullptr;
  if (definition.kind != DatasetKind::per_rank && definition.kind != DatasetKind::per_rank_string)
    return part_json(file, dataset, whole(definition.global));
  std::map<int, json> by_rank;
  for (const auto& chunk : file.chunks())
    if (chunk.dataset == dataset) by_rank[chunk.rank] = part_json(file, dataset, chunk.box);
  json all = json::array();
  for (auto& [rank, value] : by_rank) all.push_back({{"rank", rank}, {"value", std::move(value)}});
  return all;
}

}  // namespace holdfast::cli
