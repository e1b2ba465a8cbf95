#pragma once

#include <string>
#include <utility>
#include <vector>

#include "wrap/mpi_grid.hpp"

namespace holdfast::plan {

/// A name in the program, and its name in the file.
using Rename = std::pair<std::string, std::string>;

/// Collective. `mine` has each name of this rank once, also those that stay as they are. Throws the same
/// Error(invalid_argument) on all ranks where a name has several names in the file, or several names the same.
/// `said_by` is what the program gave the names with, for the error.
void require_one_to_one(const mpi::Grid& grid, const std::vector<Rename>& mine, const char* said_by);

}  // namespace holdfast::plan
