#include "storage/read/safetensors_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "base/codec.hpp"
#include "base/error_text.hpp"
#include "storage/format/safetensors.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* index_name = "model.safetensors.index.json";
constexpr const char* file_name = "model.safetensors";

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
}

bool is_index(const fs::path& path) {
  return path.filename().string().ends_with(".json");
}

/// The file or index that a path means: itself, or the one in a folder.
fs::path meant_by(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  return fs::exists(path / index_name, ignored) ? path / index_name : path / file_name;
}

Bytes read_range(const SourceFile& file, std::uint64_t offset, std::uint64_t bytes) {
  Bytes read(bytes);
  const ssize_t got = read_available(file.fd(), read.data(), bytes, offset);
  if (got < 0) throw Error(ErrorCode::storage, fmt::format("reading at offset {}: {}", offset, errno_text(errno)));
  if (static_cast<std::uint64_t>(got) != bytes) throw corrupt("the file ends before offset {}", offset + bytes);
  return read;
}

Bytes read_header(const SourceFile& file) {
  const Bytes bytes = read_range(file, 0, safetensors::length_bytes);
  std::uint64_t length = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  if (length > safetensors::most_header_bytes || length > file.bytes() - bytes.size())
    throw corrupt("a header of {} bytes is too long for a safetensors file", length);
  return read_range(file, bytes.size(), length);
}

/// The files, by name, and the tensors that are expected in each; none where a single file is all.
std::map<std::string, std::set<std::string>> files_of(const fs::path& path) {
  if (!is_index(path)) return {{path.filename(), {}}};
  const SourceFile index(path);
  if (index.bytes() > safetensors::most_header_bytes) throw corrupt("an index of {} bytes is too long", index.bytes());
  return safetensors::parse_index(read_range(index, 0, index.bytes()));
}

}  // namespace

bool SafetensorsSource::is_at(const fs::path& path) {
  const fs::path file = meant_by(path);
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return false;  // opening a FIFO would wait
  if (is_index(file)) return true;
  std::array<char, safetensors::length_bytes + 1> start{};
  std::ifstream stream(file, std::ios::binary);
  return stream.read(start.data(), start.size()) && start.back() == '{' && start[safetensors::length_bytes - 1] == 0;
}

SafetensorsSource::SafetensorsSource(const fs::path& path) try {
  has_checksums_ = false;
  info_ = {.path = path};
  const fs::path file = meant_by(path);
  std::vector<plan::Dataset> datasets;
  std::vector<std::uint64_t> positions;
  for (auto [name, expected] : files_of(file)) {
    const Part& part = add_part(file.parent_path() / name);
    info_.file_bytes += part.file.bytes();
    for (auto& [dataset, begin] : safetensors::parse_header(read_header(part.file), part.file.bytes())) {
      if (is_index(file) && expected.erase(dataset.name) == 0) continue;  // the index has it elsewhere
      positions.push_back(volume(dataset.global) == 0 ? 0 : part.begin + begin);
      datasets.push_back(std::move(dataset));
    }
    if (!expected.empty())
      throw Error(ErrorCode::corrupt, fmt::format("the index has it in {}, which has not", name),
                  {.tensor = *expected.begin()});
  }
  set_datasets(std::move(datasets), std::move(positions));
} catch (...) {
  throw current_error({.host = host_name(), .path = path.string()});
}

void SafetensorsSource::read_chunks(const Interests& wanted) {
  for (std::uint32_t i = 0; i < datasets().size(); ++i) {
    ChunkRecord chunk{.dataset = i, .rank = 0, .box = whole(datasets()[i].global), .checksum = 0, .row = i};
    if (is_wanted(chunk, wanted[i])) chunks_.push_back(std::move(chunk));
  }
}

}  // namespace holdfast::storage
