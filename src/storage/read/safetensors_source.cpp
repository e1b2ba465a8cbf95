#include "storage/read/safetensors_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/codec.hpp"
#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* index_name = "model.safetensors.index.json";
constexpr const char* file_name = "model.safetensors";
constexpr std::uint64_t length_bytes = 8;               ///< of the number in front of the header
constexpr std::uint64_t most_header_bytes = 100 << 20;  ///< the format's own limit

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

std::uint64_t header_bytes(const SourceFile& file) {
  const Bytes bytes = read_range(file, 0, length_bytes);
  std::uint64_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  if (length > most_header_bytes || length > file.bytes() - length_bytes)
    throw corrupt("a header of {} bytes is too long for a safetensors file", length);
  return length;
}

json parse(const Bytes& text, const char* what) {
  const auto* begin = reinterpret_cast<const char*>(text.data());
  json parsed = json::parse(begin, begin + text.size(), nullptr, false);
  if (!parsed.is_object()) throw corrupt("{} is not a JSON object", what);
  return parsed;
}

DType dtype_named(const std::string& name, const std::string& tensor) {
  constexpr std::array<std::pair<const char*, DType>, 16> names{{{"F64", DType::f64},
                                                                 {"F32", DType::f32},
                                                                 {"F16", DType::f16},
                                                                 {"BF16", DType::bf16},
                                                                 {"F8_E4M3", DType::f8e4m3},
                                                                 {"F8_E5M2", DType::f8e5m2},
                                                                 {"I8", DType::i8},
                                                                 {"I16", DType::i16},
                                                                 {"I32", DType::i32},
                                                                 {"I64", DType::i64},
                                                                 {"U8", DType::u8},
                                                                 {"U16", DType::u16},
                                                                 {"U32", DType::u32},
                                                                 {"U64", DType::u64},
                                                                 {"BOOL", DType::boolean},
                                                                 {"C64", DType::c64}}};
  const auto found = std::ranges::find(names, name, [](const auto& pair) { return std::string_view(pair.first); });
  if (found == names.end())
    throw Error(ErrorCode::unsupported_version, fmt::format("this version has no dtype for {}", name),
                {.tensor = tensor});
  return found->second;
}

struct Tensor {
  plan::Dataset dataset;
  std::uint64_t begin = 0;  ///< offset in the file
};

/// One tensor's entry of a header. Offsets count from `data`, the end of the header.
Tensor tensor_of(const std::string& name, const json& entry, std::uint64_t data, std::uint64_t file_bytes) try {
  Tensor tensor{{name, plan::DatasetKind::tensor, dtype_named(entry.at("dtype").get<std::string>(), name),
                 entry.at("shape").get<Shape>()},
                0};
  const auto [begin, end] = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
  const Shape& shape = tensor.dataset.global;
  const auto elements = checked_volume(shape, size_of(tensor.dataset.dtype));
  if (shape.size() > max_dimensions || !elements || end < begin ||
      end - begin != *elements * size_of(tensor.dataset.dtype) || end > file_bytes - data)
    throw Error(ErrorCode::corrupt,
                fmt::format("its shape {} and its place {} to {} do not fit", to_string(shape), begin, end),
                {.tensor = name});
  tensor.begin = data + begin;
  return tensor;
} catch (const json::exception&) {
  throw Error(ErrorCode::corrupt, "its entry in the header is not one of safetensors", {.tensor = name});
}

std::vector<Tensor> tensors_in(const SourceFile& file) {
  const std::uint64_t bytes = header_bytes(file), data = length_bytes + bytes;
  const json header = parse(read_range(file, length_bytes, bytes), "the header");
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : header.items())
    if (name != "__metadata__") tensors.push_back(tensor_of(name, entry, data, file.bytes()));
  return tensors;
}

/// The files of an index, by name, and the tensors that it expects in each.
std::map<std::string, std::set<std::string>> files_of(const fs::path& index) {
  const SourceFile file(index);
  if (file.bytes() > most_header_bytes) throw corrupt("an index of {} bytes is too long", file.bytes());
  const json parsed = parse(read_range(file, 0, file.bytes()), "the index");
  const auto map = parsed.find("weight_map");
  if (map == parsed.end() || !map->is_object()) throw corrupt("the index has no weight_map");
  std::map<std::string, std::set<std::string>> files;
  for (const auto& [tensor, name] : map->items()) {
    if (!name.is_string() || fs::path(name.get<std::string>()).filename() != fs::path(name.get<std::string>()))
      throw Error(ErrorCode::corrupt, "the index names no file beside it", {.tensor = tensor});
    files[name.get<std::string>()].insert(tensor);
  }
  return files;
}

}  // namespace

bool SafetensorsSource::is_at(const fs::path& path) {
  const fs::path file = meant_by(path);
  if (is_index(file)) return true;
  std::array<char, length_bytes + 1> start{};
  std::ifstream stream(file, std::ios::binary);
  return stream.read(start.data(), start.size()) && start.back() == '{' && start[length_bytes - 1] == 0;
}

SafetensorsSource::SafetensorsSource(const fs::path& path) try {
  has_checksums_ = false;
  info_ = {.path = path};
  const fs::path file = meant_by(path);
  std::map<std::string, std::set<std::string>> files;
  if (is_index(file))
    files = files_of(file);
  else
    files[file.filename()] = {};
  std::vector<plan::Dataset> datasets;
  std::vector<std::uint64_t> positions;
  for (auto& [name, expected] : files) {
    const Part& part = add_part(file.parent_path() / name);
    info_.file_bytes += part.file.bytes();
    for (Tensor& tensor : tensors_in(part.file)) {
      if (is_index(file) && expected.erase(tensor.dataset.name) == 0) continue;  // the index has it elsewhere
      positions.push_back(volume(tensor.dataset.global) == 0 ? 0 : part.begin + tensor.begin);
      datasets.push_back(std::move(tensor.dataset));
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
