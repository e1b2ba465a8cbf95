#include "storage/write/layout_maker.hpp"

#include <algorithm>
#include <holdfast/version.hpp>
#include <unordered_set>

#include "base/error_text.hpp"
#include "settings/attributes.hpp"
#include "storage/format/format.hpp"
#include "storage/format/hdf5_types.hpp"

namespace holdfast::storage {
namespace {

/// Stripes are fixed when a file is created, and only MPI-IO can ask for them.
bool is_striping_wanted(const mpi::Hints& hints) {
  return std::ranges::any_of(hints, [](const auto& hint) { return hint.first.starts_with("striping_"); });
}

std::vector<std::int64_t> numbers_of(const std::vector<SequenceRange>& ranges) {
  std::vector<std::int64_t> numbers;
  for (const SequenceRange& range : ranges) numbers.insert(numbers.end(), {range.first, range.last});
  return numbers;
}

/// Other attributes fit into the place of these.
std::string padded(std::string attributes) {
  if (attributes.empty()) attributes = "{}";
  attributes.resize(settings::most_attribute_bytes, ' ');
  return attributes;
}

void write_header(hid_t file, const SaveRequest& request, const Title& title) {
  const hdf5::ObjectId root = hdf5::open_object(file, "/");
  hdf5::write_attribute(root.get(), format::attr_format, std::string(format::format_name));
  hdf5::write_attribute(root.get(), format::attr_version, format::version);
  hdf5::write_attribute(root.get(), format::attr_step, request.step);
  hdf5::write_attribute(root.get(), format::attr_sequence, title.lineage.sequence);
  hdf5::write_attribute(root.get(), format::attr_parent, title.lineage.parent);
  hdf5::write_attribute(root.get(), format::attr_abandoned, numbers_of(title.lineage.abandoned));
  hdf5::write_attribute(root.get(), format::attr_created, title.created);
  hdf5::write_attribute(root.get(), format::attr_world_size, std::int64_t{request.world_size});
  hdf5::write_attribute(root.get(), format::attr_library_version, std::string(version()));
  hdf5::write_attribute(root.get(), format::attr_attributes, padded(request.attributes));
}

/// Creates the tables; returns the places of those that the writers fill in.
TablePlaces create_tables(hid_t file, const hdf5::DatasetAccess& datasets, const TableSizes& sizes) {
  const auto create = [&](const char* path, hid_t type, std::uint64_t rows) {
    return hdf5::address_of(datasets.create(file, path, type, {rows})).value_or(0);
  };
  create(format::datasets_table, dataset_row_type(sizes).get(), sizes.datasets);
  create(format::shapes_table, H5T_STD_U64LE, sizes.shapes);
  TablePlaces places;
  places.chunks = create(format::chunks_table, chunk_row_type().get(), sizes.chunks);
  places.boxes = create(format::boxes_table, H5T_STD_U64LE, sizes.boxes);
  places.parts = create(format::parts_table, part_row_type().get(), sizes.parts);
  return places;
}

hdf5::DatasetId create_dataset(hid_t file, const hdf5::DatasetAccess& datasets, const FileTypes& types,
                               const plan::Dataset& dataset) {
  if (dataset.kind == plan::DatasetKind::string)
    return datasets.create(file, path_of(dataset), hdf5::string_type(dataset.global.at(0) + 1).get(), {});
  return datasets.create(file, path_of(dataset), types.of(dataset.dtype), dataset.global);
}

/// Makes the groups in the names of datasets ('/'), each once. HDF5 would make them too, but with the time of day in
/// them.
class Groups {
 public:
  explicit Groups(hid_t file) : file_(file) {}
  void make_for(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1))
      if (const std::string group = path.substr(0, slash); !made_.contains(group)) {
        hdf5::create_group(file_, group.c_str());
        made_.insert(group);
      }
  }

 private:
  hid_t file_;
  std::unordered_set<std::string> made_ = {format::state_group, format::internal_group, format::per_rank_group};
};

/// Creates the datasets; returns their file offsets.
std::vector<std::uint64_t> create_state(hid_t file, const hdf5::DatasetAccess& datasets,
                                        std::span<const plan::Dataset> definitions) {
  const FileTypes types;
  Groups groups(file);
  std::vector<std::uint64_t> addresses;
  for (const plan::Dataset& dataset : definitions) {
    try {
      groups.make_for(path_of(dataset));
      addresses.push_back(hdf5::address_of(create_dataset(file, datasets, types, dataset)).value_or(0));
    } catch (...) {
      throw current_error({.tensor = dataset.name});
    }
  }
  return addresses;
}

void write_table(hid_t file, const hdf5::DatasetAccess& datasets, const char* path, hid_t type,
                 std::span<const std::byte> rows) {
  if (rows.empty()) return;
  const hdf5::DatasetId table = datasets.open(file, path);
  hdf5::write(table, type, hdf5::select_all(table), hdf5::independent_transfer(), rows.data());
}

void make_again(const std::filesystem::path& path, const SaveRequest& request, const hdf5::BufferedFile::Image& image,
                const Title& title, bool is_new) {
  hdf5::BufferedFile file = hdf5::BufferedFile::make_again(path, image, is_new);
  const hdf5::ObjectId root = hdf5::open_object(file.get(), "/");
  hdf5::rewrite_attribute(root.get(), format::attr_step, request.step);
  hdf5::rewrite_attribute(root.get(), format::attr_sequence, title.lineage.sequence);
  hdf5::rewrite_attribute(root.get(), format::attr_parent, title.lineage.parent);
  hdf5::rewrite_attribute(root.get(), format::attr_abandoned, numbers_of(title.lineage.abandoned));
  hdf5::rewrite_attribute(root.get(), format::attr_created, title.created);
  hdf5::rewrite_attribute(root.get(), format::attr_attributes, padded(request.attributes));
  file.finish();
}

}  // namespace

FileLayout LayoutMaker::make(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                             const Title& title, FileSpace space) {
  const hdf5::Quiet quiet;
  const bool is_new = space == FileSpace::fresh;
  if (is_new && is_striping_wanted(settings_.mpi_io_hints)) mpi::create_file(path.string(), settings_.mpi_io_hints);
  Made* made = made_.find(request.plan);
  if (made == nullptr)
    made = &made_.put(request.plan, make_anew(path, request, sizes, title, is_new));
  else if (made->abandoned == title.lineage.abandoned.size())
    make_again(path, request, made->image, title, is_new);
  else
    *made = make_anew(path, request, sizes, title, is_new);
  definitions_ = made->definitions;
  return made->layout;
}

LayoutMaker::Made LayoutMaker::make_anew(const std::filesystem::path& path, const SaveRequest& request,
                                         const TableSizes& sizes, const Title& title, bool is_new) const {
  hdf5::BufferedFile file = is_new ? hdf5::BufferedFile::create(path, settings_.alignment_bytes)
                                   : hdf5::BufferedFile::write_over(path, settings_.alignment_bytes);
  write_header(file.get(), request, title);
  for (const char* group : {format::state_group, format::internal_group, format::per_rank_group})
    hdf5::create_group(file.get(), group);
  const hdf5::DatasetAccess datasets;
  Made made;
  made.layout.tables = create_tables(file.get(), datasets, sizes);
  made.layout.addresses = create_state(file.get(), datasets, request.datasets);
  const Definitions definitions = make_definitions(request.datasets, made.layout.addresses);
  write_table(file.get(), datasets, format::datasets_table, dataset_row_type(sizes).get(), definitions.rows);
  write_table(file.get(), datasets, format::shapes_table, H5T_STD_U64LE, std::as_bytes(std::span(definitions.shapes)));
  made.definitions = definitions.checksum();
  made.image = file.finish();
  made.layout.file_bytes = made.image.file_bytes;
  made.abandoned = title.lineage.abandoned.size();
  return made;
}

}  // namespace holdfast::storage
