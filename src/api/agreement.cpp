#include "api/agreement.hpp"

#include <fmt/format.h>

#include <array>

#include "api/settings.hpp"

namespace holdfast::api {
namespace {

/// The numbers that are reduced by minimum. A value and its complement together tell the least and the greatest.
enum Field {
  erring_rank,
  plan_known,
  arena_free,
  helper_up,
  step,
  step_complement,
  settings,
  settings_complement,
  values,
  values_complement,
  fields
};
using Numbers = std::array<std::int64_t, fields>;

Numbers numbers_of(const mpi::Communicator& comm, const Proposal& mine) {
  Numbers numbers{};
  const auto content = static_cast<std::int64_t>(mine.values);
  numbers[erring_rank] = mine.error ? comm.rank() : comm.size();
  numbers[plan_known] = mine.plan_known;
  numbers[arena_free] = mine.arena_free;
  numbers[helper_up] = mine.helper_up;
  numbers[step] = mine.step;
  numbers[step_complement] = ~mine.step;
  numbers[settings] = mine.settings;
  numbers[settings_complement] = ~mine.settings;
  numbers[values] = content;
  numbers[values_complement] = ~content;
  return numbers;
}

/// As Saver::propose() makes a number of them.
std::vector<Setting> save_settings(std::int64_t number) {
  const std::array when_busy{"wait", "skip", "fail"};
  return {{"when_busy", when_busy.at(static_cast<std::size_t>(number / 2))},
          {"overlap_staging", number % 2 != 0 ? "true" : "false"}};
}

}  // namespace

Verdict agree(const mpi::Communicator& comm, const Proposal& mine) {
  Numbers least = numbers_of(comm, mine);
  comm.allreduce(std::span<std::int64_t>(least), MPI_MIN);
  if (least[erring_rank] < comm.size()) mpi::agree(comm, mine.error);
  if (least[step] != ~least[step_complement])
    throw Error(ErrorCode::plan_conflict,
                fmt::format("ranks disagree about the step to save: {} and {}", least[step], ~least[step_complement]));
  if (least[settings] != ~least[settings_complement])
    explain_difference(comm, "SaveOptions", save_settings(mine.settings));
  const bool same_values = least[values] == ~least[values_complement];
  return {.plan_known = least[plan_known] != 0 && same_values,
          .arena_free = least[arena_free] != 0,
          .helper_up = least[helper_up] != 0};
}

}  // namespace holdfast::api
