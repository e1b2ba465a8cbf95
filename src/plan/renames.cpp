#include "plan/renames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "plan/plan.hpp"

namespace holdfast::plan {
namespace {

struct Renames {
  std::vector<std::string> from, to;
  static void fields(auto& codec, auto& self) { codec(self.from, self.to); }
};

/// Collective. The renames that a hash of one of their sides gives to this rank, sorted by that side.
std::vector<Rename> own_part(const mpi::Grid& grid, const std::vector<Rename>& mine, std::string Rename::*side) {
  const auto ranks = static_cast<std::uint64_t>(grid.comm().size());
  std::map<int, Renames> by_rank;
  for (const Rename& rename : mine) {
    Renames& of_rank = by_rank[static_cast<int>(key_of(rename.*side) % ranks)];
    of_rank.from.push_back(rename.first);
    of_rank.to.push_back(rename.second);
  }
  std::vector<RankMessage> messages;
  for (const auto& [rank, renames] : by_rank) messages.push_back({rank, encode(renames)});
  std::vector<Rename> part;
  for (const RankMessage& message : grid.deliver(messages)) {
    const auto renames = decode<Renames>(message.bytes);
    for (std::size_t i = 0; i < renames.from.size(); ++i) part.emplace_back(renames.from[i], renames.to.at(i));
  }
  std::ranges::sort(part, {}, [&](const Rename& rename) { return std::pair(rename.*side, rename); });
  return part;
}

/// Two neighbours that have one side in common and differ in the other one.
const Rename* find_conflict(const std::vector<Rename>& renames, std::string Rename::*side) {
  const auto conflict = std::ranges::adjacent_find(
      renames, [&](const Rename& a, const Rename& b) { return a.*side == b.*side && a != b; });
  return conflict == renames.end() ? nullptr : &*conflict;
}

}  // namespace

void require_one_to_one(const mpi::Grid& grid, const std::vector<Rename>& mine, const char* said_by) {
  const std::vector<Rename> by_from = own_part(grid, mine, &Rename::first),
                            by_to = own_part(grid, mine, &Rename::second);
  mpi::all_or_none(grid.comm(), [&] {
    if (const Rename* one = find_conflict(by_from, &Rename::first))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the ranks call it {} and {} in the file ({})", one[0].second, one[1].second, said_by),
                  {.tensor = one->first});
    if (const Rename* one = find_conflict(by_to, &Rename::second))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("it and {} are both called {} in the file ({})", one[1].first, one->second, said_by),
                  {.tensor = one->first});
  });
}

}  // namespace holdfast::plan
