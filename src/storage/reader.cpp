#include "storage/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/extents.hpp"
#include "storage/fetch.hpp"
#include "storage/format.hpp"
#include "storage/hdf5_types.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {
namespace {

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
}

/// Runs `function`, whose errors get the path. What HDF5 does not understand is a corrupt file, unless the system failed it.
template <class Function>
auto guarded(const std::filesystem::path& path, Function&& function) {
  const hdf5::Quiet quiet;
  const Where where{.rank = -1, .host = host_name(), .path = path.string(), .tensor = {}};
  try {
    return function();
  } catch (const hdf5::Failure& failure) {
    throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.sentence(), where);
  } catch (...) {
    throw current_error(where);
  }
}

hdf5::File open_checkpoint(const std::filesystem::path& path) {
  hdf5::File file = hdf5::open_to_read(path);
  const hdf5::Object root = hdf5::open_object(file.get(), "/");
  if (!hdf5::has_attribute(root.get(), format::attr_format) ||
      hdf5::read_text_attribute(root.get(), format::attr_format) != format::format_name)
    throw corrupt("an HDF5 file, but not a Holdfast checkpoint");
  const std::int64_t version = hdf5::read_i64_attribute(root.get(), format::attr_version);
  if (version > format::version)
    throw Error(ErrorCode::unsupported_version,
                fmt::format("format version {} is newer than {}, the newest that this library reads", version, format::version));
  if (version < 1) throw corrupt("format version {} never was", version);
  return file;
}

CheckpointInfo read_header(hid_t file, const std::filesystem::path& path, std::uint64_t file_bytes) {
  const hdf5::Object root = hdf5::open_object(file, "/");
  CheckpointInfo info{.step = hdf5::read_i64_attribute(root.get(), format::attr_step), .path = path, .file_bytes = file_bytes};
  const std::int64_t world_size = hdf5::read_i64_attribute(root.get(), format::attr_world_size);
  if (info.step < 0) throw corrupt("step {} is none", info.step);
  if (world_size < 1 || world_size > std::numeric_limits<int>::max()) throw corrupt("world_size {} is none", world_size);
  info.world_size = static_cast<int>(world_size);
  info.created = hdf5::read_text_attribute(root.get(), format::attr_created);
  info.library_version = hdf5::read_text_attribute(root.get(), format::attr_library_version);
  return info;
}

/// Where the dataset begins. Every one is of the kind that we write, which alone has an address, and lies inside the file. Asking
/// for its layout takes a fifth of the time that opening a file of many datasets takes.
std::uint64_t checked_address(const hdf5::Dataset& dataset, std::uint64_t bytes, std::uint64_t file_bytes) {
  const std::optional<std::uint64_t> address = hdf5::address_of(dataset);
  if (!address && !hdf5::is_plain(dataset)) throw corrupt("a dataset is not stored contiguously in this file");
  if (bytes > 0 && !address) throw corrupt("a dataset of {} bytes has no place in the file", bytes);
  if (bytes > file_bytes || address.value_or(0) > file_bytes - bytes)
    throw corrupt("a dataset of {} bytes is larger than its file", bytes);
  return address.value_or(0);
}

std::uint64_t bytes_of(const Shape& shape, std::uint64_t element_bytes) {
  const auto elements = checked_volume(shape, element_bytes);
  if (shape.size() > max_dimensions || !elements) throw corrupt("a dataset has an impossible shape {}", to_string(shape));
  return *elements * element_bytes;
}

/// A 1-d dataset whose rows have `row_type`; its rows.
struct Table {
  hdf5::Dataset dataset;
  std::uint64_t rows = 0;
};
Table open_table(hid_t file, const hdf5::DatasetAccess& datasets, const char* path, std::uint64_t file_bytes) {
  Table table{datasets.open(file, path)};
  const Shape shape = hdf5::shape_of(table.dataset);
  if (shape.size() != 1) throw corrupt("{} is not a table", path);
  checked_address(table.dataset, bytes_of(shape, hdf5::size_of(hdf5::type_of(table.dataset))), file_bytes);
  table.rows = shape[0];
  return table;
}

void read_table(const Table& table, const char* path, hid_t row_type, void* rows) {
  if (!hdf5::equal(hdf5::type_of(table.dataset).get(), row_type)) throw corrupt("{} has unexpected columns", path);
  if (table.rows > 0) hdf5::read(table.dataset, row_type, hdf5::select_all(table.dataset), rows);
}

Tables read_tables(hid_t file, const hdf5::DatasetAccess& access, std::uint64_t file_bytes) {
  const Table datasets = open_table(file, access, format::datasets_table, file_bytes);
  const Table chunks = open_table(file, access, format::chunks_table, file_bytes);
  const Table boxes = open_table(file, access, format::boxes_table, file_bytes);
  const std::uint64_t row_bytes = hdf5::size_of(hdf5::type_of(datasets.dataset));
  if (row_bytes < 2 || chunks.rows > file_bytes / sizeof(ChunkRow) || boxes.rows > file_bytes / sizeof(std::uint64_t))
    throw corrupt("the tables have impossible sizes");
  Tables tables{.sizes = {.datasets = datasets.rows, .name_bytes = row_bytes - 1, .chunks = chunks.rows, .boxes = boxes.rows},
                .datasets = Bytes(datasets.rows * row_bytes),
                .chunks = std::vector<ChunkRow>(chunks.rows),
                .boxes = std::vector<std::uint64_t>(boxes.rows)};
  read_table(datasets, format::datasets_table, dataset_row_type(tables.sizes).get(), tables.datasets.data());
  read_table(chunks, format::chunks_table, chunk_row_type().get(), tables.chunks.data());
  read_table(boxes, format::boxes_table, H5T_STD_U64LE, tables.boxes.data());
  const hdf5::Object group = hdf5::open_object(file, format::internal_group);
  if (tables.checksum() != hdf5::read_u64_attribute(group.get(), format::attr_tables_checksum))
    throw corrupt("the tables do not have the checksum that they were written with");
  return tables;
}

}  // namespace

class CheckpointReader::Impl {
 public:
  explicit Impl(const std::filesystem::path& path) : path_(path) {
    guarded(path_, [&] {
      source_.emplace(path_);
      const hdf5::File file = open_checkpoint(path_);
      info_ = read_header(file.get(), path_, source_->bytes());
      const hdf5::DatasetAccess access;
      const Tables tables = read_tables(file.get(), access, source_->bytes());
      datasets_ = parse_datasets(tables);
      addresses_.resize(datasets_.size());
      for (std::uint32_t i = 0; i < datasets_.size(); ++i) describe(i, file.get(), access);
      chunks_ = parse_chunks(tables, datasets_);
    });
  }

  std::filesystem::path path_;
  std::optional<SourceFile> source_;
  CheckpointInfo info_;
  std::vector<plan::Dataset> datasets_;
  std::vector<std::uint64_t> addresses_;
  std::vector<ChunkRecord> chunks_;
  std::map<std::string, std::uint32_t, std::less<>> by_name_;

 private:
  /// Completes a row of the datasets table with the type, shape and place that the dataset has.
  void describe(std::uint32_t index, hid_t file, const hdf5::DatasetAccess& access) {
    plan::Dataset& dataset = datasets_[index];
    if (!by_name_.emplace(dataset.name, index).second)
      throw corrupt("the name {} stands twice in the datasets table", dataset.name);
    try {
      guarded(path_, [&] { describe(dataset, addresses_[index], file, access); });
    } catch (...) {
      throw current_error({.rank = -1, .host = {}, .path = {}, .tensor = dataset.name});
    }
  }

  void describe(plan::Dataset& dataset, std::uint64_t& address, hid_t file, const hdf5::DatasetAccess& access) const {
    const hdf5::Dataset handle = access.open(file, path_of(dataset));
    const hdf5::Type type = hdf5::type_of(handle);
    Shape shape = hdf5::shape_of(handle);
    address = checked_address(handle, bytes_of(shape, hdf5::size_of(type)), source_->bytes());
    const std::size_t text_bytes = hdf5::string_bytes(type.get());
    if (dataset.kind == plan::Kind::string) {
      if (text_bytes == 0 || !shape.empty()) throw corrupt("it should be a string");
      dataset.dtype = DType::u8;
      dataset.global = {text_bytes - 1};
    } else {
      const auto dtype = types_.find(type.get());
      if (!dtype) throw corrupt("it has a type that Holdfast does not write");
      dataset.dtype = *dtype;
      dataset.global = std::move(shape);
    }
  }

  FileTypes types_;
};

CheckpointInfo read_info(const std::filesystem::path& path) {
  return guarded(path, [&] {
    const SourceFile source(path);
    return read_header(open_checkpoint(path).get(), path, source.bytes());
  });
}

CheckpointReader::CheckpointReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {}
CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;
CheckpointReader& CheckpointReader::operator=(CheckpointReader&&) noexcept = default;

const CheckpointInfo& CheckpointReader::info() const noexcept {
  return impl_->info_;
}
const std::vector<plan::Dataset>& CheckpointReader::datasets() const noexcept {
  return impl_->datasets_;
}
const std::vector<ChunkRecord>& CheckpointReader::chunks() const noexcept {
  return impl_->chunks_;
}

std::optional<std::uint32_t> CheckpointReader::find(std::string_view name) const {
  const auto found = impl_->by_name_.find(name);
  if (found == impl_->by_name_.end()) return {};
  return found->second;
}

const SourceFile& CheckpointReader::source() const noexcept {
  return *impl_->source_;
}
std::uint64_t CheckpointReader::address_of(std::uint32_t dataset) const {
  return impl_->addresses_.at(dataset);
}

std::string CheckpointReader::dataset_at(std::uint64_t offset) const {
  std::string name;
  std::uint64_t nearest = 0;
  for (std::size_t i = 0; i < impl_->addresses_.size(); ++i) {
    const std::uint64_t address = impl_->addresses_[i];
    if (address == 0 || address > offset || address < nearest) continue;
    nearest = address;
    name = impl_->datasets_[i].name;
  }
  return name;
}

void CheckpointReader::read(std::uint32_t index, const Box& box, std::byte* packed) const {
  const plan::Dataset& dataset = datasets().at(index);
  if (!inside(box, dataset.global))
    throw Error(ErrorCode::invalid_argument, fmt::format("{} is outside of {}", to_string(box), to_string(dataset.global)),
                {.rank = -1, .host = host_name(), .path = info().path.string(), .tensor = dataset.name});
  if (empty(box)) return;
  Fetch fetch(*this, PageCache::fill);
  fetch.add(index, box, packed_memory(packed, box, element_bytes(dataset)));
  fetch.run();
}

void CheckpointReader::verify(const ChunkRecord& chunk) const {
  Checksum sum;
  if (!empty(chunk.box)) {
    Fetch fetch(*this, PageCache::avoid);
    fetch.add(chunk.dataset, chunk.box, {}, &sum);
    fetch.run();
  }
  check_sum(chunk, sum.value());
}

void CheckpointReader::check_sum(const ChunkRecord& chunk, std::uint64_t sum) const {
  if (sum == chunk.checksum) return;
  throw Error(ErrorCode::corrupt,
              fmt::format("the bytes of {} are not those that rank {} saved", to_string(chunk.box), chunk.rank),
              {.rank = -1, .host = host_name(), .path = info().path.string(), .tensor = datasets().at(chunk.dataset).name});
}

}  // namespace holdfast::storage
