#pragma once

#include <filesystem>

#include "storage/read/source.hpp"

namespace holdfast::storage {

/// Tensors in the safetensors format: one file, or several with an index as Hugging Face has it. The format has no
/// values, and no checksums.
class SafetensorsSource final : public Source {
 public:
  /// Whether the path is a safetensors file, an index of some, or a folder with either under its usual name.
  [[nodiscard]] static bool is_at(const std::filesystem::path& path);

  explicit SafetensorsSource(const std::filesystem::path& path);

  /// Each tensor is a chunk of its own.
  void read_chunks(const Interests& wanted) override;
};

}  // namespace holdfast::storage
