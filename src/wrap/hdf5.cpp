#include "wrap/hdf5.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/error_text.hpp"
#include "wrap/hdf5_library.hpp"

namespace holdfast::hdf5 {
namespace {

/// Datasets from this size on are aligned.
constexpr hsize_t aligned_from_bytes = 1 << 20;
/// Metadata and small datasets are allocated in blocks of this size, so that each kind is contiguous.
constexpr hsize_t block_bytes = 64 << 10;
constexpr std::size_t max_attribute_bytes = 4096;
constexpr hssize_t max_attribute_numbers = hssize_t{1} << 17;

/// The errno in an error text of HDF5's drivers, "…, errno = 28, …".
int errno_in(std::string_view text) {
  constexpr std::string_view mark = "errno = ";
  const auto at = text.find(mark);
  int number = 0;
  if (at != text.npos) std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), number);
  return number;
}

struct Innermost {
  std::string text;
  int error_number = 0;
};

herr_t visit(unsigned, const H5E_error2_t* entry, void* data) {
  auto& innermost = *static_cast<Innermost*>(data);
  const char* text = entry->desc != nullptr ? entry->desc : "";
  if (innermost.text.empty()) innermost.text = text;
  if (innermost.error_number == 0) innermost.error_number = errno_in(text);
  return 0;
}

/// Refuses links into other files, so that the file that was checked is the one that is read.
herr_t refuse_external_link(const char*, const char*, const char*, const char*, unsigned*, hid_t, void*) {
  return -1;
}

PropertiesId new_properties(hid_t kind) {
  return PropertiesId(call("H5Pcreate", H5Pcreate, kind));
}

std::vector<hsize_t> to_hsize(const Shape& shape) {
  return {shape.begin(), shape.end()};
}

PropertiesId creation_of(const DatasetId& dataset) {
  return PropertiesId(call("H5Dget_create_plist", H5Dget_create_plist, dataset.get()));
}

SpaceId new_space(const Shape& shape) {
  if (shape.empty()) return SpaceId(call("H5Screate", H5Screate, H5S_SCALAR));
  const auto extents = to_hsize(shape);
  return SpaceId(call("H5Screate_simple", H5Screate_simple, static_cast<int>(extents.size()), extents.data(), nullptr));
}

SpaceId space_of(const DatasetId& dataset) {
  return SpaceId(call("H5Dget_space", H5Dget_space, dataset.get()));
}

AttributeId open_attribute(hid_t object, const char* name) {
  return AttributeId(call("H5Aopen", H5Aopen, object, name, hid_t{H5P_DEFAULT}));
}

AttributeId create_attribute(hid_t object, const char* name, hid_t type, const Shape& shape) {
  const SpaceId space = new_space(shape);
  return AttributeId(
      call("H5Acreate2", H5Acreate2, object, name, type, space.get(), hid_t{H5P_DEFAULT}, hid_t{H5P_DEFAULT}));
}

void write_value(hid_t object, const char* name, hid_t type, const void* value) {
  const AttributeId attribute = create_attribute(object, name, type, {});
  call("H5Awrite", H5Awrite, attribute.get(), type, value);
}

/// Reads a scalar attribute of exactly this type.
void read_value(hid_t object, const char* name, hid_t type, void* value) {
  const AttributeId attribute = open_attribute(object, name);
  const TypeId stored(call("H5Aget_type", H5Aget_type, attribute.get()));
  const SpaceId space(call("H5Aget_space", H5Aget_space, attribute.get()));
  if (!equal(stored.get(), type) || H5Sget_simple_extent_npoints(space.get()) != 1)
    throw Failure(fmt::format("attribute {} has an unexpected type", name), 0);
  call("H5Aread", H5Aread, attribute.get(), type, value);
}

}  // namespace

Quiet::Quiet() {
  require_own_library();
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Quiet::~Quiet() {
  H5Eset_auto2(H5E_DEFAULT, function_, data_);
}

void fail(const char* name, int error_number) {
  Innermost innermost;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &innermost);
  if (innermost.error_number != 0) error_number = innermost.error_number;
  std::string message = fmt::format("{}: {}", name, innermost.text.empty() ? "failed" : innermost.text);
  if (error_number != 0) message += ": " + errno_text(error_number);
  throw Failure(std::move(message), error_number);
}

PropertiesId file_access() {
  PropertiesId access = new_properties(H5P_FILE_ACCESS);
  call("H5Pset_libver_bounds", H5Pset_libver_bounds, access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  call("H5Pset_fclose_degree", H5Pset_fclose_degree, access.get(), H5F_CLOSE_STRONG);
  call("H5Pset_file_locking", H5Pset_file_locking, access.get(), hbool_t{false}, hbool_t{true});
  call("H5Pset_meta_block_size", H5Pset_meta_block_size, access.get(), block_bytes);
  call("H5Pset_small_data_block_size", H5Pset_small_data_block_size, access.get(), block_bytes);
  return access;
}

hid_t open_file(const std::filesystem::path& path, unsigned flags, const PropertiesId& access) {
  const hid_t file = H5Fopen(path.c_str(), flags, access.get());
  if (file < 0) fail("H5Fopen", 0);
  return file;
}

void set_alignment(const PropertiesId& access, std::uint64_t bytes) {
  call("H5Pset_alignment", H5Pset_alignment, access.get(), aligned_from_bytes, hsize_t{bytes});
}

hid_t open_shared(const std::filesystem::path& path, MPI_Comm comm, const mpi::Hints& hints) {
  const PropertiesId access = file_access();
  const mpi::Info info(hints);
  call("H5Pset_fapl_mpio", H5Pset_fapl_mpio, access.get(), comm, info.get());
  return open_file(path, H5F_ACC_RDWR, access);
}

void close_shared(hid_t file) {
  call("H5Fclose", H5Fclose, file);
}

mpi::Hints hints_of(hid_t file) {
  void* handle = nullptr;
  call("H5Fget_vfd_handle", H5Fget_vfd_handle, file, hid_t{H5P_DEFAULT}, &handle);
  return mpi::hints_of(*static_cast<MPI_File*>(handle));
}

TypeId copy_type(hid_t type) {
  return TypeId(call("H5Tcopy", H5Tcopy, type));
}

TypeId float_type(std::size_t bytes, std::size_t exponent_bits, std::size_t mantissa_bits, std::size_t bias) {
  TypeId type = copy_type(H5T_IEEE_F32LE);
  const std::size_t sign_at = exponent_bits + mantissa_bits;
  call("H5Tset_fields", H5Tset_fields, type.get(), sign_at, mantissa_bits, exponent_bits, std::size_t{0},
       mantissa_bits);
  call("H5Tset_size", H5Tset_size, type.get(), bytes);
  call("H5Tset_ebias", H5Tset_ebias, type.get(), bias);
  return type;
}

TypeId compound_type(std::size_t bytes) {
  return TypeId(call("H5Tcreate", H5Tcreate, H5T_COMPOUND, bytes));
}

void add_member(const TypeId& compound, const char* name, std::size_t offset, hid_t type) {
  call("H5Tinsert", H5Tinsert, compound.get(), name, offset, type);
}

TypeId enum_type(hid_t base) {
  return TypeId(call("H5Tenum_create", H5Tenum_create, base));
}

void add_name(const TypeId& enumeration, const char* name, std::uint8_t value) {
  call("H5Tenum_insert", H5Tenum_insert, enumeration.get(), name, &value);
}

TypeId string_type(std::size_t bytes) {
  TypeId type = copy_type(H5T_C_S1);
  call("H5Tset_size", H5Tset_size, type.get(), bytes);
  call("H5Tset_cset", H5Tset_cset, type.get(), H5T_CSET_UTF8);
  return type;
}

bool equal(hid_t a, hid_t b) {
  return call("H5Tequal", H5Tequal, a, b) > 0;
}

std::size_t string_bytes(hid_t type) {
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return 0;
  return H5Tget_size(type);
}

PropertiesId without_times(hid_t kind) {
  PropertiesId creation = new_properties(kind);
  call("H5Pset_obj_track_times", H5Pset_obj_track_times, creation.get(), hbool_t{false});
  return creation;
}

PropertiesId file_creation() {
  constexpr unsigned attributes = 32;  // more than our root group has; the default moves all of them at the ninth
  PropertiesId creation = without_times(H5P_FILE_CREATE);
  call("H5Pset_attr_phase_change", H5Pset_attr_phase_change, creation.get(), attributes, 0U);
  return creation;
}

void create_group(hid_t file, const char* path) {
  ObjectId(call("H5Gcreate2", H5Gcreate2, file, path, hid_t{H5P_DEFAULT}, without_times(H5P_GROUP_CREATE).get(),
                hid_t{H5P_DEFAULT}));
}

ObjectId open_object(hid_t file, const char* path) {
  const PropertiesId access = new_properties(H5P_LINK_ACCESS);
  call("H5Pset_elink_cb", H5Pset_elink_cb, access.get(), refuse_external_link, nullptr);
  return ObjectId(call("H5Oopen", H5Oopen, file, path, access.get()));
}

void write_attribute(hid_t object, const char* name, std::int64_t value) {
  write_value(object, name, H5T_STD_I64LE, &value);
}

void write_attribute(hid_t object, const char* name, const std::string& value) {
  write_value(object, name, string_type(value.size() + 1).get(), value.c_str());
}

void write_attribute(hid_t object, const char* name, std::span<const std::int64_t> values) {
  create_attribute(object, name, H5T_STD_I64LE, {values.size()});
  rewrite_attribute(object, name, values);
}

void rewrite_attribute(hid_t object, const char* name, std::int64_t value) {
  call("H5Awrite", H5Awrite, open_attribute(object, name).get(), hid_t{H5T_STD_I64LE}, &value);
}

void rewrite_attribute(hid_t object, const char* name, const std::string& value) {
  call("H5Awrite", H5Awrite, open_attribute(object, name).get(), string_type(value.size() + 1).get(), value.c_str());
}

void rewrite_attribute(hid_t object, const char* name, std::span<const std::int64_t> values) {
  if (values.empty()) return;
  call("H5Awrite", H5Awrite, open_attribute(object, name).get(), hid_t{H5T_STD_I64LE}, values.data());
}

bool has_attribute(hid_t object, const char* name) {
  return call("H5Aexists", H5Aexists, object, name) > 0;
}

std::int64_t read_i64_attribute(hid_t object, const char* name) {
  std::int64_t value = 0;
  read_value(object, name, H5T_STD_I64LE, &value);
  return value;
}

std::vector<std::int64_t> read_i64s_attribute(hid_t object, const char* name) {
  const AttributeId attribute = open_attribute(object, name);
  const TypeId stored(call("H5Aget_type", H5Aget_type, attribute.get()));
  const SpaceId space(call("H5Aget_space", H5Aget_space, attribute.get()));
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  if (!equal(stored.get(), H5T_STD_I64LE) || H5Sget_simple_extent_ndims(space.get()) != 1 || count < 0 ||
      count > max_attribute_numbers)
    throw Failure(fmt::format("attribute {} is no list of numbers", name), 0);
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  if (!values.empty()) call("H5Aread", H5Aread, attribute.get(), hid_t{H5T_STD_I64LE}, values.data());
  return values;
}

std::string read_text_attribute(hid_t object, const char* name) {
  const AttributeId attribute = open_attribute(object, name);
  const TypeId stored(call("H5Aget_type", H5Aget_type, attribute.get()));
  const std::size_t bytes = string_bytes(stored.get());
  if (bytes == 0 || bytes > max_attribute_bytes)
    throw Failure(fmt::format("attribute {} is not a short string", name), 0);
  std::string value(bytes, '\0');
  read_value(object, name, stored.get(), value.data());
  return value.c_str();
}

DatasetAccess::DatasetAccess()
    : creation_(without_times(H5P_DATASET_CREATE)),
      link_(new_properties(H5P_LINK_CREATE)),
      access_(new_properties(H5P_DATASET_ACCESS)) {
  call("H5Pset_layout", H5Pset_layout, creation_.get(), H5D_CONTIGUOUS);
  call("H5Pset_alloc_time", H5Pset_alloc_time, creation_.get(), H5D_ALLOC_TIME_EARLY);
  call("H5Pset_fill_time", H5Pset_fill_time, creation_.get(), H5D_FILL_TIME_NEVER);
  call("H5Pset_char_encoding", H5Pset_char_encoding, link_.get(), H5T_CSET_UTF8);
  call("H5Pset_elink_cb", H5Pset_elink_cb, access_.get(), refuse_external_link, nullptr);
}

DatasetId DatasetAccess::create(hid_t file, const std::string& path, hid_t type, const Shape& shape) const {
  const SpaceId space = new_space(shape);
  return DatasetId(call("H5Dcreate2", H5Dcreate2, file, path.c_str(), type, space.get(), link_.get(), creation_.get(),
                        access_.get()));
}

DatasetId DatasetAccess::open(hid_t file, const std::string& path) const {
  return DatasetId(call("H5Dopen2", H5Dopen2, file, path.c_str(), access_.get()));
}

DatasetId DatasetAccess::open_to_decode(hid_t file, const std::string& path, std::size_t cache_bytes) const {
  constexpr std::size_t places = 521;  // HDF5's default
  constexpr double first_out = 1;      // chunks that were read in full go first
  const PropertiesId access = new_properties(H5P_DATASET_ACCESS);
  call("H5Pset_elink_cb", H5Pset_elink_cb, access.get(), refuse_external_link, nullptr);
  call("H5Pset_chunk_cache", H5Pset_chunk_cache, access.get(), places, cache_bytes, first_out);
  return DatasetId(call("H5Dopen2", H5Dopen2, file, path.c_str(), access.get()));
}

TypeId type_of(const DatasetId& dataset) {
  return TypeId(call("H5Dget_type", H5Dget_type, dataset.get()));
}

std::size_t size_of(const TypeId& type) {
  return H5Tget_size(type.get());
}

Shape shape_of(const DatasetId& dataset) {
  const SpaceId space = space_of(dataset);
  const int dimensions = call("H5Sget_simple_extent_ndims", H5Sget_simple_extent_ndims, space.get());
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  call("H5Sget_simple_extent_dims", H5Sget_simple_extent_dims, space.get(), extents.data(), nullptr);
  return {extents.begin(), extents.begin() + dimensions};
}

bool is_plain(const DatasetId& dataset) {
  const PropertiesId creation = creation_of(dataset);
  return H5Pget_layout(creation.get()) == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) == 0;
}

bool is_encoded(const DatasetId& dataset) {
  const PropertiesId creation = creation_of(dataset);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  return (layout == H5D_CHUNKED || layout == H5D_COMPACT) && H5Pget_external_count(creation.get()) == 0;
}

std::uint64_t chunk_bytes(const DatasetId& dataset) {
  const PropertiesId creation = creation_of(dataset);
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) return 0;
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int dimensions = call("H5Pget_chunk", H5Pget_chunk, creation.get(), H5S_MAX_RANK, extents.data());
  std::uint64_t bytes = size_of(type_of(dataset));
  for (int d = 0; d < dimensions; ++d) bytes *= extents[static_cast<std::size_t>(d)];
  return bytes;
}

std::vector<std::pair<int, std::string>> filters_of(const DatasetId& dataset) {
  const PropertiesId creation = creation_of(dataset);
  const int count = call("H5Pget_nfilters", H5Pget_nfilters, creation.get());
  std::vector<std::pair<int, std::string>> filters;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, configuration = 0;
    std::size_t numbers = 0;
    std::array<char, 64> name{};
    const H5Z_filter_t filter = call("H5Pget_filter2", H5Pget_filter2, creation.get(), static_cast<unsigned>(i), &flags,
                                     &numbers, nullptr, name.size() - 1, name.data(), &configuration);
    filters.emplace_back(filter, name.data());
  }
  return filters;
}

std::optional<std::uint64_t> address_of(const DatasetId& dataset) {
  const haddr_t address = H5Dget_offset(dataset.get());
  return address == HADDR_UNDEF ? std::nullopt : std::optional<std::uint64_t>(address);
}

Selection select_all(const DatasetId& dataset) {
  return {space_of(dataset), space_of(dataset)};
}

Selection select_none(const DatasetId& dataset) {
  Selection selection = select_all(dataset);
  call("H5Sselect_none", H5Sselect_none, selection.file.get());
  call("H5Sselect_none", H5Sselect_none, selection.memory.get());
  return selection;
}

Selection select_box(const DatasetId& dataset, const Shape& offset, const Shape& extent) {
  if (extent.empty()) return select_all(dataset);
  std::uint64_t elements = 1;
  for (const std::uint64_t length : extent) elements *= length;
  Selection selection{space_of(dataset), new_space({elements})};
  call("H5Sselect_hyperslab", H5Sselect_hyperslab, selection.file.get(), H5S_SELECT_SET, to_hsize(offset).data(),
       nullptr, to_hsize(extent).data(), nullptr);
  return selection;
}

PropertiesId independent_transfer() {
  return new_properties(H5P_DATASET_XFER);
}

PropertiesId collective_transfer() {
  PropertiesId transfer = new_properties(H5P_DATASET_XFER);
  call("H5Pset_dxpl_mpio", H5Pset_dxpl_mpio, transfer.get(), H5FD_MPIO_COLLECTIVE);
  // MPI-IO gets a whole box in one call and writes it at once. Two-phase writes of Open MPI's OMPIO report success when
  // a full disk cuts a write short; individual writes report the error, and are faster (docs/format.md).
  call("H5Pset_dxpl_mpio_collective_opt", H5Pset_dxpl_mpio_collective_opt, transfer.get(), H5FD_MPIO_INDIVIDUAL_IO);
  return transfer;
}

void write(const DatasetId& dataset, hid_t type, const Selection& selection, const PropertiesId& transfer,
           const void* data) {
  call("H5Dwrite", H5Dwrite, dataset.get(), type, selection.memory.get(), selection.file.get(), transfer.get(), data);
}

void read(const DatasetId& dataset, hid_t type, const Selection& selection, void* data) {
  call("H5Dread", H5Dread, dataset.get(), type, selection.memory.get(), selection.file.get(), hid_t{H5P_DEFAULT}, data);
}

}  // namespace holdfast::hdf5
