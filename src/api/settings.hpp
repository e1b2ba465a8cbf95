#pragma once

#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::api {

/// One of Options, SaveOptions or LoadOptions: its name there, and its value in words.
struct Setting {
  std::string name, value;

  static void fields(auto& c, auto& s) { c(s.name, s.value); }
};

/// All of them, in their order there.
[[nodiscard]] std::vector<Setting> settings_of(const Options& options);

/// Collective, where the ranks' settings, `what`, are known not to be the same: throws Error(plan_conflict) on all ranks, which names the
/// first one that differs, its values, and the ranks.
[[noreturn]] void explain_difference(const mpi::Communicator& comm, const char* what, const std::vector<Setting>& mine);

/// Collective: one small allreduce where all is well. Explains the difference where the options are not the same
/// everywhere.
void require_same(const mpi::Communicator& comm, const Options& options);
void require_same(const mpi::Communicator& comm, const LoadOptions& options);

}  // namespace holdfast::api
