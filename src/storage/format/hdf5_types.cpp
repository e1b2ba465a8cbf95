#include "storage/format/hdf5_types.hpp"

#include <algorithm>

#include "storage/format/format.hpp"

namespace holdfast::storage {
namespace {

/// The type that h5py uses for a NumPy bool.
hdf5::TypeId boolean_type() {
  hdf5::TypeId type = hdf5::enum_type(H5T_STD_I8LE);
  hdf5::add_name(type, "FALSE", 0);
  hdf5::add_name(type, "TRUE", 1);
  return type;
}

/// The type that h5py uses for a NumPy complex number.
hdf5::TypeId complex_type(hid_t part, std::size_t part_bytes) {
  hdf5::TypeId type = hdf5::compound_type(2 * part_bytes);
  hdf5::add_member(type, "r", 0, part);
  hdf5::add_member(type, "i", part_bytes, part);
  return type;
}

hdf5::TypeId make_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return hdf5::copy_type(H5T_IEEE_F64LE);
    case DType::f32:
      return hdf5::copy_type(H5T_IEEE_F32LE);
    case DType::f16:
      return hdf5::float_type(2, 5, 10, 15);
    case DType::bf16:
      return hdf5::float_type(2, 8, 7, 127);
    case DType::f8e4m3:
      return hdf5::float_type(1, 4, 3, 7);
    case DType::f8e5m2:
      return hdf5::float_type(1, 5, 2, 15);
    case DType::i8:
      return hdf5::copy_type(H5T_STD_I8LE);
    case DType::i16:
      return hdf5::copy_type(H5T_STD_I16LE);
    case DType::i32:
      return hdf5::copy_type(H5T_STD_I32LE);
    case DType::i64:
      return hdf5::copy_type(H5T_STD_I64LE);
    case DType::u8:
      return hdf5::copy_type(H5T_STD_U8LE);
    case DType::u16:
      return hdf5::copy_type(H5T_STD_U16LE);
    case DType::u32:
      return hdf5::copy_type(H5T_STD_U32LE);
    case DType::u64:
      return hdf5::copy_type(H5T_STD_U64LE);
    case DType::boolean:
      return boolean_type();
    case DType::c64:
      return complex_type(H5T_IEEE_F32LE, 4);
    case DType::c128:
      return complex_type(H5T_IEEE_F64LE, 8);
  }
  throw Error(ErrorCode::internal, "a dtype without an HDF5 type");
}

hdf5::TypeId kind_type() {
  hdf5::TypeId type = hdf5::enum_type(H5T_STD_U8LE);
  constexpr const char* names[] = {"tensor", "value", "string", "per_rank", "per_rank_string"};
  for (std::uint8_t kind = 0; const char* name : names) hdf5::add_name(type, name, kind++);
  return type;
}

hdf5::TypeId dtype_type() {
  hdf5::TypeId type = hdf5::enum_type(H5T_STD_U8LE);
  for (std::uint8_t i = 0; i < dtype_count; ++i)
    hdf5::add_name(type, std::string(to_string(static_cast<DType>(i))).c_str(), i);
  return type;
}

}  // namespace

FileTypes::FileTypes() {
  for (std::size_t i = 0; i < types_.size(); ++i) types_[i] = make_type(static_cast<DType>(i));
}

std::optional<DType> FileTypes::find(hid_t type) const {
  const auto found =
      std::ranges::find_if(types_, [&](const hdf5::TypeId& own) { return hdf5::equal(own.get(), type); });
  if (found == types_.end()) return {};
  return static_cast<DType>(found - types_.begin());
}

hdf5::TypeId dataset_row_type(const TableSizes& sizes) {
  hdf5::TypeId type = hdf5::compound_type(sizes.dataset_row_bytes());
  hdf5::add_member(type, "name", 0, hdf5::string_type(sizes.name_bytes).get());
  const auto add = [&](const char* name, std::size_t offset, hid_t member) {
    hdf5::add_member(type, name, sizes.name_bytes + offset, member);
  };
  add("kind", offsetof(DatasetRow, kind), kind_type().get());
  add("dtype", offsetof(DatasetRow, dtype), dtype_type().get());
  add("dimensions", offsetof(DatasetRow, dimensions), H5T_STD_U8LE);
  add("shape", offsetof(DatasetRow, shape), H5T_STD_U64LE);
  add("address", offsetof(DatasetRow, address), H5T_STD_U64LE);
  return type;
}

hdf5::TypeId chunk_row_type() {
  hdf5::TypeId type = hdf5::compound_type(sizeof(ChunkRow));
  hdf5::add_member(type, "dataset", offsetof(ChunkRow, dataset), H5T_STD_U64LE);
  hdf5::add_member(type, "rank", offsetof(ChunkRow, rank), H5T_STD_I64LE);
  hdf5::add_member(type, "first", offsetof(ChunkRow, first), H5T_STD_U64LE);
  hdf5::add_member(type, "xxh3", offsetof(ChunkRow, xxh3), H5T_STD_U64LE);
  return type;
}

hdf5::TypeId part_row_type() {
  hdf5::TypeId type = hdf5::compound_type(sizeof(PartRow));
  hdf5::add_member(type, "chunks", offsetof(PartRow, chunks), H5T_STD_U64LE);
  hdf5::add_member(type, "boxes", offsetof(PartRow, boxes), H5T_STD_U64LE);
  hdf5::add_member(type, "xxh3", offsetof(PartRow, xxh3), H5T_STD_U64LE);
  return type;
}

std::string path_of(const plan::Dataset& dataset) {
  const bool per_rank = plan::is_per_rank_kind(dataset.kind);
  return std::string(per_rank ? format::per_rank_group : format::state_group) + "/" + dataset.name;
}

}  // namespace holdfast::storage
