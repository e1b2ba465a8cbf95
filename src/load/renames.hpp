#pragma once

#include <functional>
#include <string>

#include "plan/local.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective. Gives the items the names that they have in the file (LoadPlanner::name_in_file, null for none; some
/// ranks may have one and others not). Throws the same Error(invalid_argument) on all ranks where a name has several
/// names in the file, or several names the same.
void rename_items(const mpi::Communicator& comm, plan::LocalPlan& local,
                  const std::function<std::string(const std::string& name)>& name_in_file);

}  // namespace holdfast::load
