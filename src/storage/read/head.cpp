#include "storage/read/head.hpp"

#include <fmt/format.h>

#include <limits>

#include "settings/attributes.hpp"
#include "storage/format/format.hpp"
#include "storage/read/hdf5_guard.hpp"
#include "storage/read/source_file.hpp"

namespace holdfast::storage {
namespace {

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
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

}  // namespace

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
  if (hdf5::has_attribute(root.get(), format::attr_attributes))
    info.attributes = settings::parse_attributes(hdf5::read_text_attribute(root.get(), format::attr_attributes));
  head.lineage = read_lineage(root, info.step);
  info.sequence = head.lineage.sequence;
  info.parent = head.lineage.parent;
  return head;
}

Head read_head(const std::filesystem::path& path) {
  return guarded(path, [&] {
    const SourceFile source(path);
    return read_header(open_checkpoint(path).get(), path, source.bytes());
  });
}

}  // namespace holdfast::storage
