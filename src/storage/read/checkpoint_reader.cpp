#include "storage/read/checkpoint_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "storage/format/format.hpp"
#include "storage/format/hdf5_types.hpp"
#include "storage/read/box_reader.hpp"
#include "storage/read/hdf5_view.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/hdf5_buffered_file.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
}

/// Runs `function` and adds the path to its errors. A failure of HDF5 means a corrupt file, unless it has an errno.
template <class Function>
auto guarded(const std::filesystem::path& path, Function&& function) {
  const hdf5::Quiet quiet;
  const ErrorContext context{.host = host_name(), .path = path.string()};
  try {
    return function();
  } catch (const hdf5::Failure& failure) {
    throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.message(), context);
  } catch (...) {
    throw current_error(context);
  }
}

hdf5::BufferedFile open_checkpoint(const std::filesystem::path& path) {
  hdf5::BufferedFile file = hdf5::BufferedFile::open_to_read(path);
  const hdf5::ObjectId root = hdf5::open_object(file.get(), "/");
  if (!hdf5::has_attribute(root.get(), format::attr_format) ||
      hdf5::read_text_attribute(root.get(), format::attr_format) != format::format_name)
    throw corrupt("an HDF5 file, but not a Holdfast checkpoint");
  const std::int64_t version = hdf5::read_i64_attribute(root.get(), format::attr_version);
  if (version < 1) throw corrupt("format version {} never was", version);
  if (version < format::oldest_version || version > format::version)
    throw Error(ErrorCode::unsupported_version,
                fmt::format("format version {} is {} than those that this library reads, {} to {}", version,
                            version > format::version ? "newer" : "older", format::oldest_version, format::version));
  return file;
}

Lineage read_lineage(const hdf5::ObjectId& root, std::int64_t step) {
  if (hdf5::read_i64_attribute(root.get(), format::attr_version) < format::first_version_with_lineage)
    return {.sequence = sequence_of_step(step), .parent = 0, .abandoned = {}};
  Lineage lineage{.sequence = hdf5::read_i64_attribute(root.get(), format::attr_sequence),
                  .parent = hdf5::read_i64_attribute(root.get(), format::attr_parent),
                  .abandoned = {}};
  const std::vector<std::int64_t> numbers = hdf5::read_i64s_attribute(root.get(), format::attr_abandoned);
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) lineage.abandoned.push_back({numbers[i], numbers[i + 1]});
  if (numbers.size() % 2 != 0 || !is_possible(lineage))
    throw corrupt("sequence {}, parent {} and {} are impossible together", lineage.sequence, lineage.parent,
                  format::attr_abandoned);
  return lineage;
}

Head read_header(hid_t file, const std::filesystem::path& path, std::uint64_t file_bytes) {
  const hdf5::ObjectId root = hdf5::open_object(file, "/");
  Head head{
      .info = {.step = hdf5::read_i64_attribute(root.get(), format::attr_step), .path = path, .file_bytes = file_bytes},
      .lineage = {}};
  CheckpointInfo& info = head.info;
  const std::int64_t world_size = hdf5::read_i64_attribute(root.get(), format::attr_world_size);
  if (info.step < 0) throw corrupt("step {} is none", info.step);
  if (world_size < 1 || world_size > std::numeric_limits<int>::max())
    throw corrupt("world_size {} is none", world_size);
  info.world_size = static_cast<int>(world_size);
  info.created = hdf5::read_text_attribute(root.get(), format::attr_created);
  info.library_version = hdf5::read_text_attribute(root.get(), format::attr_library_version);
  head.lineage = read_lineage(root, info.step);
  info.sequence = head.lineage.sequence;
  info.parent = head.lineage.parent;
  return head;
}

std::uint64_t bytes_of(const Shape& shape, std::uint64_t element_bytes) {
  const auto elements = checked_volume(shape, element_bytes);
  if (shape.size() > max_dimensions || !elements)
    throw corrupt("a dataset has an impossible shape {}", to_string(shape));
  return *elements * element_bytes;
}

/// The rows of a table and their place in the file.
struct Table {
  std::uint64_t rows = 0, address = 0;
};

/// Finds the tables of an open file by HDF5. Their rows are read by read_rows().
class TableFinder {
 public:
  TableFinder(hid_t file, std::uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  /// Finds a table of `Row`s. `row_type` is their type in the file.
  template <class Row>
  [[nodiscard]] Table find(const char* path, hid_t row_type) const {
    return find(path, row_type, sizeof(Row));
  }
  /// Finds the datasets table, and the bytes of a name in it.
  [[nodiscard]] std::pair<Table, std::uint64_t> find_datasets() const {
    const std::uint64_t row_bytes = hdf5::size_of(hdf5::type_of(access_.open(file_, format::datasets_table)));
    if (row_bytes <= sizeof(DatasetRow)) throw corrupt("{} has unexpected columns", format::datasets_table);
    const std::uint64_t name_bytes = row_bytes - sizeof(DatasetRow);
    return {find(format::datasets_table, dataset_row_type({.name_bytes = name_bytes}).get(), row_bytes), name_bytes};
  }

 private:
  [[nodiscard]] Table find(const char* path, hid_t row_type, std::uint64_t row_bytes) const {
    const hdf5::DatasetId dataset = access_.open(file_, path);
    const Shape shape = hdf5::shape_of(dataset);
    if (shape.size() != 1) throw corrupt("{} is not a table", path);
    if (!hdf5::equal(hdf5::type_of(dataset).get(), row_type)) throw corrupt("{} has unexpected columns", path);
    if (shape[0] > file_bytes_ / row_bytes) throw corrupt("{} has an impossible size", path);
    return {.rows = shape[0], .address = checked_address(dataset, bytes_of(shape, row_bytes), file_bytes_)};
  }

  hid_t file_;
  std::uint64_t file_bytes_;
  hdf5::DatasetAccess access_;
};

template <class Row>
void read_rows(const SourceFile& file, const Table& table, std::uint64_t first, std::span<Row> rows) {
  if (rows.empty()) return;
  const std::uint64_t offset = table.address + first * sizeof(Row);
  const ssize_t got = read_available(file.fd(), reinterpret_cast<std::byte*>(rows.data()), rows.size_bytes(), offset);
  if (got < 0)
    throw Error(ErrorCode::storage, fmt::format("reading the tables at offset {}: {}", offset, errno_text(errno)));
  if (static_cast<std::size_t>(got) != rows.size_bytes()) throw corrupt("the file ends in its tables");
}

/// The tables that every reader needs, and the places of those that are read in part.
struct FoundTables {
  Index index;
  Table chunks, boxes;
};

FoundTables read_index(hid_t file, const SourceFile& source) {
  const TableFinder finder(file, source.bytes());
  const auto [datasets, name_bytes] = finder.find_datasets();
  const Table shapes = finder.find<std::uint64_t>(format::shapes_table, H5T_STD_U64LE);
  const Table parts = finder.find<PartRow>(format::parts_table, part_row_type().get());
  FoundTables found{.index = {},
                    .chunks = finder.find<ChunkRow>(format::chunks_table, chunk_row_type().get()),
                    .boxes = finder.find<std::uint64_t>(format::boxes_table, H5T_STD_U64LE)};
  Index& index = found.index;
  index.sizes = {
      .datasets = datasets.rows, .name_bytes = name_bytes, .chunks = found.chunks.rows, .boxes = found.boxes.rows};
  index.definitions.rows.resize(datasets.rows * index.sizes.dataset_row_bytes());
  read_rows(source, datasets, 0, std::span(index.definitions.rows));
  index.definitions.shapes.resize(shapes.rows);
  read_rows(source, shapes, 0, std::span(index.definitions.shapes));
  index.parts.resize(parts.rows);
  read_rows(source, parts, 0, std::span(index.parts));
  check_index(index);
  return found;
}

}  // namespace

class CheckpointReader::Impl {
 public:
  explicit Impl(const std::filesystem::path& path) : path_(path) {
    guarded(path_, [&] {
      source_.emplace(path_);
      const hdf5::BufferedFile file = open_checkpoint(path_);
      info_ = read_header(file.get(), path_, source_->bytes()).info;
      tables_ = read_index(file.get(), *source_);
      PlacedDatasets placed = parse_datasets(tables_.index, source_->bytes());
      datasets_ = std::move(placed.datasets);
      addresses_ = std::move(placed.addresses);
      names_.emplace(datasets_);
      find_moved(Hdf5View(file.get(), source_->bytes()));
      check_places();
    });
  }

  void read_chunks(const Interests& wanted) {
    const auto read = [&](const RowPlace& place, Segment& segment) {
      read_rows(*source_, tables_.chunks, place.chunk, std::span(segment.chunks));
      read_rows(*source_, tables_.boxes, place.box, std::span(segment.boxes));
    };
    guarded(path_, [&] { chunks_ = storage::read_chunks(tables_.index, read, datasets_, wanted); });
    tables_ = {};
  }

  std::filesystem::path path_;
  std::optional<SourceFile> source_;
  CheckpointInfo info_;
  FoundTables tables_;
  std::vector<plan::Dataset> datasets_;
  std::vector<std::uint64_t> addresses_;
  std::vector<ChunkRecord> chunks_;
  std::optional<plan::Names> names_;

 private:
  /// Finds the datasets again if another program has rewritten the file (h5repack): it copies our tables, but moves the
  /// datasets. The first and the last dataset show this; HDF5 then tells where all of them are.
  void find_moved(const Hdf5View& view) {
    const auto has_moved = [&](std::size_t i) { return view.address_of(datasets_[i]) != addresses_[i]; };
    const auto is_before = [&](std::size_t a, std::size_t b) { return addresses_[a] < addresses_[b]; };
    std::vector<std::size_t> placed;
    for (std::size_t i = 0; i < addresses_.size(); ++i)
      if (addresses_[i] != 0) placed.push_back(i);
    if (placed.empty()) return;
    const auto [first, last] = std::ranges::minmax_element(placed, is_before);
    if (!has_moved(*first) && !has_moved(*last)) return;
    for (std::size_t i = 0; i < datasets_.size(); ++i) addresses_[i] = view.address_of(datasets_[i]);
  }

  /// Throws unless each dataset lies inside the file. parse_datasets() has checked that none is larger.
  void check_places() const {
    for (std::size_t i = 0; i < datasets_.size(); ++i)
      if (addresses_[i] > source_->bytes() - volume(datasets_[i].global) * element_bytes(datasets_[i]))
        throw Error(ErrorCode::corrupt, "it does not lie inside the file", {.tensor = datasets_[i].name});
  }
};

Head read_head(const std::filesystem::path& path) {
  return guarded(path, [&] {
    const SourceFile source(path);
    return read_header(open_checkpoint(path).get(), path, source.bytes());
  });
}

CheckpointReader::CheckpointReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointReader::CheckpointReader(const std::filesystem::path& path) : CheckpointReader(std::make_unique<Impl>(path)) {
  read_chunks(Interests(datasets().size(), Interest{}));
}
CheckpointReader CheckpointReader::open(const std::filesystem::path& path) {
  return CheckpointReader(std::make_unique<Impl>(path));
}
CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;
CheckpointReader& CheckpointReader::operator=(CheckpointReader&&) noexcept = default;

const CheckpointInfo& CheckpointReader::info() const noexcept {
  return impl_->info_;
}
const std::vector<plan::Dataset>& CheckpointReader::datasets() const noexcept {
  return impl_->datasets_;
}
void CheckpointReader::read_chunks(const Interests& wanted) {
  impl_->read_chunks(wanted);
}
const std::vector<ChunkRecord>& CheckpointReader::chunks() const noexcept {
  return impl_->chunks_;
}

const plan::Names& CheckpointReader::names() const noexcept {
  return *impl_->names_;
}

const SourceFile& CheckpointReader::source() const noexcept {
  return *impl_->source_;
}
std::uint64_t CheckpointReader::address_of(std::uint32_t dataset) const {
  return impl_->addresses_.at(dataset);
}

std::vector<Error> CheckpointReader::differences_from_hdf5() const {
  return guarded(impl_->path_, [&] {
    const hdf5::BufferedFile file = open_checkpoint(impl_->path_);
    const Hdf5View view(file.get(), source().bytes());
    std::vector<Error> differences;
    for (std::uint32_t i = 0; i < datasets().size(); ++i) {
      try {
        if (view.address_of(datasets()[i]) != address_of(i))
          throw Error(ErrorCode::corrupt, "HDF5 sees another place than the datasets table has",
                      {.tensor = datasets()[i].name});
      } catch (...) {
        differences.push_back(current_error({.host = host_name(), .path = impl_->path_.string()}));
      }
    }
    return differences;
  });
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
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is outside of {}", to_string(box), to_string(dataset.global)),
                {.host = host_name(), .path = info().path.string(), .tensor = dataset.name});
  if (empty(box)) return;
  BoxReader reader(*this, PageCache::fill);
  reader.add(index, box, packed_memory(packed, box, element_bytes(dataset)));
  reader.run();
}

void CheckpointReader::verify(const ChunkRecord& chunk) const {
  Checksum sum;
  if (!empty(chunk.box)) {
    BoxReader reader(*this, PageCache::avoid);
    reader.add(chunk.dataset, chunk.box, {}, &sum);
    reader.run();
  }
  check_sum(chunk, sum.value());
}

void CheckpointReader::check_sum(const ChunkRecord& chunk, std::uint64_t sum) const {
  if (sum == chunk.checksum) return;
  throw Error(ErrorCode::corrupt,
              fmt::format("the bytes of {} are not those that rank {} saved", to_string(chunk.box), chunk.rank),
              {.host = host_name(), .path = info().path.string(), .tensor = datasets().at(chunk.dataset).name});
}

}  // namespace holdfast::storage
