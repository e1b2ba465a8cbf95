#include "save/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "settings/settings.hpp"

namespace holdfast::save {
namespace {

/// Indices of the numbers that are reduced by minimum. A value and its complement give minimum and maximum.
enum Field {
  erring_rank,
  helper_up,
  no_renames,
  step,
  step_complement,
  settings,
  settings_complement,
  values,
  values_complement,
  plan_known,
  slot_free = plan_known + kept_plans,
  slot_holds = slot_free + most_slots,  ///< by plan
  fields = slot_holds + kept_plans * most_slots
};
using Numbers = std::array<std::int64_t, fields>;

template <std::size_t size>
void put(const std::array<bool, size>& flags, std::int64_t* numbers) {
  std::ranges::copy(flags, numbers);
}

SlotFlags slot_flags(const std::int64_t* numbers) {
  SlotFlags flags{};
  std::transform(numbers, numbers + most_slots, flags.begin(), [](std::int64_t number) { return number != 0; });
  return flags;
}

Numbers numbers_of(const mpi::Communicator& comm, const Proposal& mine) {
  Numbers numbers{};
  const auto content = static_cast<std::int64_t>(mine.values);
  numbers[erring_rank] = mine.error ? comm.rank() : comm.size();
  numbers[helper_up] = mine.helper_up;
  numbers[no_renames] = !mine.renames;
  numbers[step] = mine.step;
  numbers[step_complement] = ~mine.step;
  numbers[settings] = mine.settings;
  numbers[settings_complement] = ~mine.settings;
  numbers[values] = content;
  numbers[values_complement] = ~content;
  put(mine.plan_known, &numbers[plan_known]);
  put(mine.free, &numbers[slot_free]);
  for (std::size_t plan = 0; plan < kept_plans; ++plan) put(mine.holds[plan], &numbers[slot_holds + plan * most_slots]);
  return numbers;
}

}  // namespace

Agreement agree(const mpi::Communicator& comm, const Proposal& mine, const SaveOptions& options) {
  Numbers least = numbers_of(comm, mine);
  comm.allreduce(std::span<std::int64_t>(least), MPI_MIN);
  if (least[erring_rank] < comm.size()) mpi::agree(comm, mine.error);
  if (least[step] != ~least[step_complement])
    throw Error(ErrorCode::plan_conflict,
                fmt::format("ranks disagree about the step to save: {} and {}", least[step], ~least[step_complement]));
  if (least[settings] != ~least[settings_complement]) settings::explain_difference(comm, options);
  Agreement agreement{.plan = {},
                      .free = slot_flags(&least[slot_free]),
                      .helper_up = least[helper_up] != 0,
                      .renames = least[no_renames] == 0};
  if (least[values] != ~least[values_complement]) return agreement;
  for (std::size_t plan = kept_plans; plan-- > 0;)
    if (least[plan_known + plan] != 0) agreement.plan = plan;
  if (agreement.plan) agreement.holds = slot_flags(&least[slot_holds + *agreement.plan * most_slots]);
  return agreement;
}

}  // namespace holdfast::save
