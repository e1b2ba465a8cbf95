#include "load/renames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "wrap/mpi_grid.hpp"

namespace holdfast::load {
namespace {

/// A name in the program and its name in the file.
using Rename = std::pair<std::string, std::string>;

struct Renames {
  std::vector<std::string> from, to;
  static void fields(auto& codec, auto& self) { codec(self.from, self.to); }
};

/// Gives the items their names in the file. Returns each rename once.
std::vector<Rename> rename_own(plan::LocalPlan& local,
                               const std::function<std::string(const std::string& name)>& name_in_file) {
  std::map<std::string, std::string> renames;
  for (plan::Item& item : local.items) {
    auto known = renames.find(item.name);
    if (known == renames.end())
      known = renames.emplace(item.name, name_in_file ? name_in_file(item.name) : item.name).first;
    if (known->second == item.name) continue;
    item.name_in_program = std::exchange(item.name, known->second);
  }
  return {renames.begin(), renames.end()};
}

/// Collective. The renames that a hash of one of their sides gives to this rank, sorted by that side.
std::vector<Rename> own_part(const mpi::Communicator& comm, const mpi::Grid& grid, const std::vector<Rename>& mine,
                             std::string Rename::*side) {
  std::map<int, Renames> by_rank;
  for (const Rename& rename : mine) {
    Renames& of_rank = by_rank[static_cast<int>(plan::key_of(rename.*side) % static_cast<std::uint64_t>(comm.size()))];
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

void rename_items(const mpi::Communicator& comm, plan::LocalPlan& local,
                  const std::function<std::string(const std::string& name)>& name_in_file) {
  std::uint64_t any = name_in_file ? 1 : 0;
  comm.allreduce(std::span(&any, 1), MPI_MAX);
  if (any == 0) return;
  std::vector<Rename> mine;
  mpi::all_or_none(comm, [&] { mine = rename_own(local, name_in_file); });
  mpi::Grid grid(comm);
  const std::vector<Rename> by_from = own_part(comm, grid, mine, &Rename::first),
                            by_to = own_part(comm, grid, mine, &Rename::second);
  grid.free();
  mpi::all_or_none(comm, [&] {
    if (const Rename* one = find_conflict(by_from, &Rename::first))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the ranks call it {} and {} in the file (LoadPlanner::name_in_file)", one[0].second,
                              one[1].second),
                  {.tensor = one->first});
    if (const Rename* one = find_conflict(by_to, &Rename::second))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("it and {} are both called {} in the file (LoadPlanner::name_in_file)", one[1].first,
                              one->second),
                  {.tensor = one->first});
  });
}

}  // namespace holdfast::load
