#include "storage/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/extents.hpp"
#include "storage/fetch.hpp"
#include "storage/format.hpp"
#include "storage/hdf5_types.hpp"
#include "storage/hdf5_view.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/hdf5_staged.hpp"
#include "wrap/positioned_io.hpp"

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

hdf5::StagedFile open_checkpoint(const std::filesystem::path& path) {
  hdf5::StagedFile file = hdf5::StagedFile::open_to_read(path);
  const hdf5::Object root = hdf5::open_object(file.get(), "/");
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

Lineage read_lineage(const hdf5::Object& root, std::int64_t step) {
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
  const hdf5::Object root = hdf5::open_object(file, "/");
  Head head{.info = {.step = hdf5::read_i64_attribute(root.get(), format::attr_step), .path = path, .file_bytes = file_bytes},
            .lineage = {}};
  CheckpointInfo& info = head.info;
  const std::int64_t world_size = hdf5::read_i64_attribute(root.get(), format::attr_world_size);
  if (info.step < 0) throw corrupt("step {} is none", info.step);
  if (world_size < 1 || world_size > std::numeric_limits<int>::max()) throw corrupt("world_size {} is none", world_size);
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
  if (shape.size() > max_dimensions || !elements) throw corrupt("a dataset has an impossible shape {}", to_string(shape));
  return *elements * element_bytes;
}

/// A 1-d dataset, and where in the file its rows are.
struct Table {
  hdf5::Dataset dataset;
  std::uint64_t rows = 0, address = 0;
};
Table open_table(hid_t file, const hdf5::DatasetAccess& access, const char* path, std::uint64_t file_bytes) {
  Table table{access.open(file, path)};
  const Shape shape = hdf5::shape_of(table.dataset);
  if (shape.size() != 1) throw corrupt("{} is not a table", path);
  table.address = checked_address(table.dataset, bytes_of(shape, hdf5::size_of(hdf5::type_of(table.dataset))), file_bytes);
  table.rows = shape[0];
  return table;
}

/// One whose rows are `Row`s, as `row_type` says of them in the file.
template <class Row>
Table open_table_of(hid_t file, const hdf5::DatasetAccess& access, const char* path, hid_t row_type, std::uint64_t file_bytes) {
  Table table = open_table(file, access, path, file_bytes);
  if (!hdf5::equal(hdf5::type_of(table.dataset).get(), row_type)) throw corrupt("{} has unexpected columns", path);
  if (table.rows > file_bytes / sizeof(Row)) throw corrupt("{} has an impossible size", path);
  return table;
}

template <class Row>
void read_rows(const SourceFile& file, const Table& table, std::uint64_t first, std::span<Row> rows) {
  if (rows.empty()) return;
  const std::uint64_t offset = table.address + first * sizeof(Row);
  const ssize_t got = read_available(file.fd(), reinterpret_cast<std::byte*>(rows.data()), rows.size_bytes(), offset);
  if (got < 0) throw Error(ErrorCode::storage, fmt::format("reading the tables at offset {}: {}", offset, errno_text(errno)));
  if (static_cast<std::size_t>(got) != rows.size_bytes()) throw corrupt("the file ends in its tables");
}

/// The tables of a file. HDF5 says where they are; what they hold is read by our own calls.
class TableReader {
 public:
  /// Both are borrowed.
  TableReader(hid_t file, const SourceFile& source) : file_(file), source_(source) {}

  [[nodiscard]] Index index() const {
    Index index;
    const Table datasets = open_table(file_, access_, format::datasets_table, source_.bytes());
    const std::uint64_t row_bytes = hdf5::size_of(hdf5::type_of(datasets.dataset));
    if (row_bytes <= sizeof(DatasetRow)) throw corrupt("{} has unexpected columns", format::datasets_table);
    index.sizes = {.datasets = datasets.rows, .name_bytes = row_bytes - sizeof(DatasetRow)};
    if (!hdf5::equal(hdf5::type_of(datasets.dataset).get(), dataset_row_type(index.sizes).get()))
      throw corrupt("{} has unexpected columns", format::datasets_table);
    index.definitions.rows.resize(datasets.rows * row_bytes);
    read_rows(source_, datasets, 0, std::span(index.definitions.rows));
    const Table shapes = open<std::uint64_t>(format::shapes_table, H5T_STD_U64LE);
    index.definitions.shapes.resize(shapes.rows);
    read_rows(source_, shapes, 0, std::span(index.definitions.shapes));
    const Table parts = open<PartRow>(format::parts_table, part_row_type().get());
    index.parts.resize(parts.rows);
    read_rows(source_, parts, 0, std::span(index.parts));
    index.sizes.chunks = chunks_.rows;
    index.sizes.boxes = boxes_.rows;
    check_index(index);
    return index;
  }

  [[nodiscard]] std::vector<ChunkRecord> chunks(const Index& index, std::span<const plan::Dataset> datasets,
                                                const Interests& interests) const {
    const auto read = [&](const Place& place, Segment& segment) {
      read_rows(source_, chunks_, place.chunk, std::span(segment.chunks));
      read_rows(source_, boxes_, place.box, std::span(segment.boxes));
    };
    return read_chunks(index, read, datasets, interests);
  }

 private:
  template <class Row>
  [[nodiscard]] Table open(const char* path, hid_t row_type) const {
    return open_table_of<Row>(file_, access_, path, row_type, source_.bytes());
  }

  hid_t file_;
  const SourceFile& source_;
  const hdf5::DatasetAccess access_;
  const Table chunks_ = open<ChunkRow>(format::chunks_table, chunk_row_type().get()),
              boxes_ = open<std::uint64_t>(format::boxes_table, H5T_STD_U64LE);
};

}  // namespace

class CheckpointReader::Impl {
 public:
  Impl(const std::filesystem::path& path, const InterestsIn& interests_in) : path_(path) {
    guarded(path_, [&] {
      source_.emplace(path_);
      const hdf5::StagedFile file = open_checkpoint(path_);
      info_ = read_header(file.get(), path_, source_->bytes()).info;
      const TableReader tables(file.get(), *source_);
      const Index index = tables.index();
      PlacedDatasets placed = parse_datasets(index, source_->bytes());
      datasets_ = std::move(placed.datasets);
      addresses_ = std::move(placed.addresses);
      names_.emplace(datasets_);
      const Interests interests =
          interests_in ? interests_in(datasets_, *names_, info_.world_size) : Interests(datasets_.size(), Interest{});
      chunks_ = tables.chunks(index, datasets_, interests);
      find_moved(Hdf5View(file.get(), source_->bytes()));
      check_places();
    });
  }

  std::filesystem::path path_;
  std::optional<SourceFile> source_;
  CheckpointInfo info_;
  std::vector<plan::Dataset> datasets_;
  std::vector<std::uint64_t> addresses_;
  std::vector<ChunkRecord> chunks_;
  std::optional<plan::Names> names_;

 private:
  /// Another program may have written the file anew (h5repack): our tables are copied then, and the datasets lie elsewhere. The
  /// first and the last one tell; HDF5 says then where all of them are.
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

  /// None is larger than the file, as parse_datasets() has seen.
  void check_places() const {
    for (std::size_t i = 0; i < datasets_.size(); ++i)
      if (addresses_[i] > source_->bytes() - volume(datasets_[i].global) * element_bytes(datasets_[i]))
        throw Error(ErrorCode::corrupt, "it does not lie inside the file",
                    {.rank = -1, .host = {}, .path = {}, .tensor = datasets_[i].name});
  }
};

Head read_head(const std::filesystem::path& path) {
  return guarded(path, [&] {
    const SourceFile source(path);
    return read_header(open_checkpoint(path).get(), path, source.bytes());
  });
}

CheckpointReader::CheckpointReader(const std::filesystem::path& path, const InterestsIn& interests_in)
    : impl_(std::make_unique<Impl>(path, interests_in)) {}
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
    const hdf5::StagedFile file = open_checkpoint(impl_->path_);
    const Hdf5View view(file.get(), source().bytes());
    std::vector<Error> differences;
    for (std::uint32_t i = 0; i < datasets().size(); ++i) try {
        if (view.address_of(datasets()[i]) != address_of(i))
          throw Error(ErrorCode::corrupt, "HDF5 sees another place than the datasets table has",
                      {.rank = -1, .host = {}, .path = {}, .tensor = datasets()[i].name});
      } catch (...) {
        differences.push_back(current_error({.rank = -1, .host = host_name(), .path = impl_->path_.string(), .tensor = {}}));
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
