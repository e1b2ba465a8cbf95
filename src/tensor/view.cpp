#include <holdfast/tensor.hpp>
#include <utility>

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

TensorView shard(void* data, DType dtype, Shard box) {
  return {data, dtype, std::move(box), true};
}

TensorView shard(const void* data, DType dtype, Shard box) {
  return read_only(data, dtype, std::move(box));
}

TensorView replicated(void* data, DType dtype, Shape global, std::vector<std::int64_t> stride) {
  return {data, dtype, whole_shard(std::move(global), std::move(stride)), true};
}

TensorView replicated(const void* data, DType dtype, Shape global, std::vector<std::int64_t> stride) {
  return read_only(data, dtype, whole_shard(std::move(global), std::move(stride)));
}

}  // namespace holdfast
