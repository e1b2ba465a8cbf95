#pragma once

#include <functional>
#include <string>

namespace holdfast {

/// What a program decides about a load by code of its own, beside LoadOptions, which are data. Functions that are empty
/// decide nothing. They are called in the thread that calls load, are local, and may not call MPI or the Checkpointer.
/// What one of them throws on any rank is thrown as the same Error on all.
struct LoadPlanner {
  /// The name in the file of a name in the StateDict, which is asked for once: for layers that were renamed, a prefix,
  /// a model inside of another one. All ranks that have a name get the same answer for it, and two names have two
  /// answers; otherwise load throws `invalid_argument`. Errors and reports keep to the StateDict's names.
  std::function<std::string(const std::string& name)> name_in_file;
  /// Whether the file may lack a name that the StateDict has, though LoadOptions::strict is not `common`: such as
  /// state that the program can make anew. Its memory is left as it is, and LoadReport::missing has it.
  std::function<bool(const std::string& name)> may_be_missing;
  /// Called for each name of this rank that was loaded, when all ranks have loaded and verified everything: for objects
  /// that rebuild something from it.
  std::function<void(const std::string& name)> loaded;
};

}  // namespace holdfast
