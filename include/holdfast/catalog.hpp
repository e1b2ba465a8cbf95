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
  /// Counts the saves of a directory from 1, whatever their steps; below 0 in files of format 2, in the order of steps. 0: not known.
  std::int64_t sequence = 0;
  std::int64_t parent = 0;      ///< sequence of the save that this one went on from; 0: none, or not known
  /// The program went back behind this save and went on from an earlier one: it is loaded only by its step (LoadOptions::step),
  /// never taken away by keep_last, and replaced when its step is saved again.
  bool is_abandoned = false;
  [[nodiscard]] bool valid() const noexcept { return problem.empty(); }
};

/// The checkpoints in `directory`, lowest step first. Unfinished files are not listed. Local, reads each file's header;
/// it does not read tensor data (`holdfast verify` does). Throws Error(storage) if the directory cannot be read.
[[nodiscard]] HOLDFAST_API std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& directory);

}  // namespace holdfast
