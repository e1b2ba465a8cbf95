#pragma once

#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::api {

/// One of the Options: its name there, and its value in words.
struct Setting {
  std::string name, value;

  static void fields(auto& c, auto& s) { c(s.name, s.value); }
};

/// All of them, in their order there.
[[nodiscard]] std::vector<Setting> settings_of(const Options& options);

/// Collective: one small allreduce where all is well. Throws Error(plan_conflict) on all ranks where the options are not the same
/// everywhere; it names the first one that differs, its values, and the ranks.
void require_same(const mpi::Communicator& comm, const Options& options);

}  // namespace holdfast::api
