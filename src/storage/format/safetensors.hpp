#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"

/// The safetensors format (https://huggingface.co/docs/safetensors, read in November 2026). Pure.
namespace holdfast::storage::safetensors {

/// A file begins with the length of its header, little-endian; then come the header and the tensors' bytes.
constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t most_header_bytes = 100 << 20;  ///< the format's own limit

/// A tensor, and where its bytes begin in the file.
struct PlacedTensor {
  plan::Dataset dataset;
  std::uint64_t begin = 0;
};
/// The tensors of a file of `file_bytes` bytes with this header. Throws Error(corrupt), naming the tensor, for a header
/// that is none, or a tensor that does not lie inside the file; Error(unsupported_version) for a dtype that we lack.
[[nodiscard]] std::vector<PlacedTensor> parse_header(std::span<const std::byte> header, std::uint64_t file_bytes);

/// The files of an index, by name, and the tensors that it expects in each. Throws Error(corrupt) for an index that is
/// none, or that names a file which does not lie beside it.
[[nodiscard]] std::map<std::string, std::set<std::string>> parse_index(std::span<const std::byte> index);

}  // namespace holdfast::storage::safetensors
