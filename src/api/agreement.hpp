#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>

#include "wrap/mpi.hpp"

namespace holdfast::api {

/// Arenas of a rank, at most.
inline constexpr std::size_t most_slots = 2;
/// Plans that a rank keeps: two layouts in turn are planned once each.
inline constexpr std::size_t kept_plans = 2;

using SlotFlags = std::array<bool, most_slots>;

/// What a rank brings into async_save.
struct Proposal {
  std::int64_t step = -1;
  std::int64_t settings = 0;  ///< SaveOptions as a number
  std::uint64_t values = 0;   ///< checksum of the values that must be the same on all ranks
  std::array<bool, kept_plans> plan_known{};  ///< its state has the layout of this plan
  SlotFlags free{};                           ///< no save is in flight in this slot
  std::array<SlotFlags, kept_plans> holds{};  ///< by plan: the slot's arena is large enough
  bool helper_up = false;
  std::optional<Error> error;  ///< why it cannot take part
};

/// What all ranks found together: what is so on each of them.
struct Verdict {
  std::optional<std::size_t> plan;  ///< which one is known, where the values agree, too
  SlotFlags free{};
  SlotFlags holds{};  ///< a save of that plan
  bool helper_up = false;
};

/// Collective: the one small allreduce of a save in steady state. Throws the same Error on all ranks if one brought an error, or
/// if step or settings differ.
[[nodiscard]] Verdict agree(const mpi::Communicator& comm, const Proposal& mine);

}  // namespace holdfast::api
