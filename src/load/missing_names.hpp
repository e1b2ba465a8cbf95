#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Names that the StateDicts of some ranks have, and the file does not.
struct MissingNames {
  std::vector<std::string> first;  ///< the first ones by name, at most most_missing_names
  std::uint64_t count = 0;         ///< how many there are on all ranks together, each name once
};

constexpr std::size_t most_missing_names = 20;

/// Collective. The missing names of all ranks together; `mine` are this rank's, each once.
[[nodiscard]] MissingNames unite_missing(const mpi::Communicator& comm, std::span<const std::string> mine);

/// "a (the file has b), c, … 25 in all": the names, each with the nearest one that is in the file. Pure.
[[nodiscard]] std::string in_words(const MissingNames& missing, std::span<const plan::Dataset> datasets);

}  // namespace holdfast::load
