#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/attributes.hpp>
#include <holdfast/export.hpp>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

/// One committed checkpoint file of a directory, as its own attributes describe it.
struct CheckpointInfo {
  std::int64_t step = -1;        ///< step that it was saved as
  std::filesystem::path path;    ///< path of the file
  std::uint64_t file_bytes = 0;  ///< size of the file
  int world_size = 0;            ///< number of ranks that saved it
  std::string created;           ///< time of the save, UTC, ISO 8601
  std::string library_version;   ///< version of the Holdfast that wrote it
  std::string problem;           ///< why the file cannot be read; empty for a Holdfast file of a supported version
  /// Number of the save in its directory, counted from 1 whatever the steps; 0: not known. Files of format 2 have
  /// numbers below 0, in the order of steps.
  std::int64_t sequence = 0;
  std::int64_t parent = 0;  ///< sequence of the save that this one goes on from; 0: none, or not known
  /// True if the program went back behind this save and went on from an earlier one. An abandoned checkpoint is loaded
  /// only by its step (LoadOptions::step), never removed by keep_last, and replaced when its step is saved again.
  bool is_abandoned = false;
  Attributes attributes;          ///< SaveOptions::attributes of the save
  std::vector<std::string> pins;  ///< names that it is pinned under, sorted
  /// True if the file can be read.
  [[nodiscard]] bool valid() const noexcept { return problem.empty(); }
};

/// Local. Returns the checkpoints in `directory`, lowest step first, without unfinished files. Reads the header of each
/// file, but no tensor data (`holdfast verify` does). Throws Error(storage) if the directory cannot be read.
[[nodiscard]] HOLDFAST_API std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& directory);

/// Local. Pins the checkpoint of `step` under a name, such as "best": a symbolic link in the directory, which loads
/// (LoadOptions::file) and the command line take for it, and which keeps retention from removing it. A name that was in
/// use moves. Any symbolic link to a checkpoint in its own directory pins it, also one that a person made. Throws
/// invalid_argument for a name that cannot be one ("latest", one with a slash, one that begins with a dot or is in use
/// for a file), not_found where there is no checkpoint of the step, storage for a failed system call.
HOLDFAST_API void pin(const std::filesystem::path& directory, std::int64_t step, const std::string& name);

/// Local. Takes a name away; the checkpoint stays until retention removes it. Throws not_found where nothing is pinned
/// under it.
HOLDFAST_API void unpin(const std::filesystem::path& directory, const std::string& name);

}  // namespace holdfast
