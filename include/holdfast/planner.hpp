#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/tensor.hpp>
#include <span>
#include <string>
#include <vector>

namespace holdfast {

/// A part of a tensor or value that this rank saves.
struct PlannedShard {
  std::string name;         ///< name in the file
  DType dtype{};            ///< type in the file
  Shape offset;             ///< first element of the part, in the coordinates of the file; empty for a single number
  Shape extent;             ///< elements of the part, per dimension
  std::uint64_t bytes = 0;  ///< size of the part in the file
};

/// What a program decides about saves by code of its own, beside SaveOptions, which are data. Functions that are empty
/// decide nothing. They are asked in the thread that calls async_save or warm_up, are local, and may not call MPI or
/// the Checkpointer. What one of them throws on any rank is thrown as the same Error on all.
///
/// They are asked when a plan is made, and never for one that is kept: for each name once, as long as `version` is the
/// same and no call throws. A program whose functions would answer otherwise gives another version, and a new plan is
/// made. All ranks give the same functions. Errors of a save name what is in the file.
struct SavePlanner {
  /// Number of what the functions say.
  std::uint64_t version = 0;
  /// The name in the file of a name in the StateDict. All ranks that have a name give the same answer for it, and two
  /// names have two answers; otherwise the call throws `invalid_argument`.
  std::function<std::string(const std::string& name)> name_in_file = {};
  /// Whether the save leaves out a name of the StateDict.
  std::function<bool(const std::string& name)> leave_out = {};
  /// The type that a tensor has in the file, as by holdfast::stored_as(), which `dtype` follows already. A load
  /// converts it back with LoadOptions::convert.
  std::function<DType(const std::string& name, DType dtype)> stored_as = {};
  /// Which of `holders`, ranks in ascending order that all hold a box alike, saves it; `name` is that in the file.
  /// Empty: the ranks share the bytes evenly. One rank is asked for each box, so the answer depends on nothing but the
  /// arguments.
  std::function<int(const std::string& name, std::span<const int> holders)> saved_by = {};
  /// Sees what this rank saves, and refuses the plan by throwing.
  std::function<void(const std::vector<PlannedShard>& shards)> planned = {};
};

/// What a program decides about a load by code of its own, beside LoadOptions, which are data. Functions that are empty
/// decide nothing. They are called in the thread that calls load, are local, and may not call MPI or the Checkpointer.
/// What one of them throws on any rank is thrown as the same Error on all.
struct LoadPlanner {
  /// The name in the file of a name in the StateDict, which is asked for once: for layers that were renamed, a prefix,
  /// a model inside of another one. All ranks that have a name get the same answer for it, and two names have two
  /// answers; otherwise load throws `invalid_argument`. Errors and reports keep to the StateDict's names.
  std::function<std::string(const std::string& name)> name_in_file = {};
  /// Whether the file may lack a name that the StateDict has, though LoadOptions::strict is not `common`: such as
  /// state that the program can make anew. Its memory is left as it is, and LoadReport::missing has it.
  std::function<bool(const std::string& name)> may_be_missing = {};
  /// Called for each name of this rank that was loaded, when all ranks have loaded and verified everything: for objects
  /// that rebuild something from it.
  std::function<void(const std::string& name)> loaded = {};
};

}  // namespace holdfast
