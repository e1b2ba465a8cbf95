#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <optional>

#include "wrap/mpi.hpp"

namespace holdfast::save {

/// Number of slots of a rank, each with an arena or none.
inline constexpr std::size_t most_slots = 2;
/// Number of plans that a rank keeps, so that two layouts in turn are planned once each.
inline constexpr std::size_t kept_plans = 2;

using SlotFlags = std::array<bool, most_slots>;

/// State of one rank at the start of a save.
struct Proposal {
  std::int64_t step = -1;
  std::int64_t settings = 0;                  ///< fingerprint of its SaveOptions
  std::uint64_t values = 0;                   ///< checksum of the values that must be the same on all ranks
  std::array<bool, kept_plans> plan_known{};  ///< by plan: the rank's state has its layout
  SlotFlags free{};                           ///< by slot: no save is in flight
  std::array<SlotFlags, kept_plans> holds{};  ///< by plan and slot: the arena is large enough
  bool helper_up = false;
  bool renames = false;        ///< its planner gives names in the file
  std::optional<Error> error;  ///< why the rank cannot take part
};

/// State that all ranks share at the start of a save: a flag is true if it is on every rank.
struct Agreement {
  std::optional<std::size_t> plan;  ///< plan that every rank knows; none if it is not, or values differ
  SlotFlags free{};
  SlotFlags holds{};  ///< by slot: the arena is large enough for that plan
  bool helper_up = false;
  bool renames = false;  ///< on any rank
};

/// Collective: the one small allreduce of a save in steady state. Throws the same Error on all ranks if a rank has an
/// error, or if step or settings differ.
[[nodiscard]] Agreement agree(const mpi::Communicator& comm, const Proposal& mine, const SaveOptions& options);

}  // namespace holdfast::save
