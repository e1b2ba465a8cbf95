#include <fmt/format.h>

#include <algorithm>
#include <holdfast/error.hpp>
#include <holdfast/tensor.hpp>
#include <utility>

#include "tensor/box.hpp"

namespace holdfast {
namespace {

Shard whole_shard(Shape global, std::vector<std::int64_t> stride) {
  Shape offset(global.size(), 0);
  Shape extent = global;
  return {std::move(global), std::move(offset), std::move(extent), std::move(stride)};
}

/// A view of const data, which the loader must not write: it is not `writable`.
TensorView read_only(const void* data, DType dtype, Shard box) {
  return {const_cast<void*>(data), dtype, std::move(box), false};
}

}  // namespace

Shard owned(Shard box, const Shape& shared) {
  if (box.stride.empty()) box.stride = packed_strides(box.extent);
  for (std::size_t d = 0; d < box.extent.size() && d < shared.size() && d < box.offset.size() && d < box.global.size();
       ++d)
    if (box.offset[d] + box.extent[d] < box.global[d]) box.extent[d] -= std::min(shared[d], box.extent[d]);
  return box;
}

TensorView detail::of_vector(Shard box, DType dtype, std::function<void*(std::size_t& count)> elements) {
  const std::uint64_t wanted = volume(box.extent);
  const auto address = [elements = std::move(elements), wanted] {
    std::size_t count = 0;
    void* const data = elements(count);
    if (count != wanted)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the vector has {} elements now, and its box {}: a box of another size is added to a new "
                              "StateDict",
                              count, wanted));
    return data;
  };
  return shard(address, dtype, std::move(box));
}

TensorView shard(std::function<void*()> address, DType dtype, Shard box) {
  return {nullptr, dtype, std::move(box), true, std::move(address), {}};
}

TensorView shard(void* data, DType dtype, Shard box) {
  return {data, dtype, std::move(box), true};
}

TensorView shard(const void* data, DType dtype, Shard box) {
  return read_only(data, dtype, std::move(box));
}

TensorView stored_as(TensorView view, DType dtype) {
  if (dtype == view.dtype)
    view.stored.reset();
  else
    view.stored = dtype;
  return view;
}

TensorView replicated(void* data, DType dtype, Shape global, std::vector<std::int64_t> stride) {
  return {data, dtype, whole_shard(std::move(global), std::move(stride)), true};
}

TensorView replicated(const void* data, DType dtype, Shape global, std::vector<std::int64_t> stride) {
  return read_only(data, dtype, whole_shard(std::move(global), std::move(stride)));
}

}  // namespace holdfast
