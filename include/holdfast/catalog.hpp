#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/export.hpp>

namespace holdfast {

/// One committed checkpoint file of a directory, as its own attributes describe it.
struct CheckpointInfo {
  std::int64_t step = -1;
  std::filesystem::path path;
  std::uint64_t file_bytes = 0;
  int world_size = 0;           ///< ranks that saved it
  std::string created;          ///< UTC, ISO 8601
  std::string library_version;
  std::string problem;          ///< empty if the file opens and is a Holdfast file of a version we read
  [[nodiscard]] bool valid() const noexcept { return problem.empty(); }
};

/// The checkpoints in `directory`, oldest step first. Unfinished files are not listed. Local, reads each file's header;
/// it does not read tensor data (`holdfast verify` does). Throws Error(storage) if the directory cannot be read.
[[nodiscard]] HOLDFAST_API std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& directory);

}  // namespace holdfast
