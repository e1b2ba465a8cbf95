#include "load/missing_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

#include "base/nearest.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::load {
namespace {

using Names = std::vector<std::string>;

void keep_each_once(Names& names) {
  std::ranges::sort(names);
  const auto rest = std::ranges::unique(names);
  names.erase(rest.begin(), rest.end());
}

/// Collective. The names of which this rank keeps the list: those that a hash says, from all ranks.
Names own_part(const mpi::Communicator& comm, std::span<const std::string> mine) {
  std::map<int, Names> by_rank;
  for (const std::string& name : mine)
    by_rank[static_cast<int>(plan::key_of(name) % static_cast<std::uint64_t>(comm.size()))].push_back(name);
  std::vector<RankMessage> messages;
  for (const auto& [rank, names] : by_rank) messages.push_back({rank, encode(names)});
  mpi::Grid grid(comm);
  Names part;
  for (const RankMessage& message : grid.deliver(messages))
    std::ranges::move(decode<Names>(message.bytes), std::back_inserter(part));
  grid.free();
  keep_each_once(part);
  return part;
}

}  // namespace

MissingNames unite_missing(const mpi::Communicator& comm, std::span<const std::string> mine) {
  Names part = own_part(comm, mine);
  MissingNames missing{.first = {}, .count = part.size()};
  comm.allreduce(std::span(&missing.count, 1), MPI_SUM);
  part.resize(std::min(part.size(), most_missing_names));
  for (const Bytes& bytes : comm.all_gather(encode(part)))
    std::ranges::move(decode<Names>(bytes), std::back_inserter(missing.first));
  std::ranges::sort(missing.first);
  missing.first.resize(std::min(missing.first.size(), most_missing_names));
  return missing;
}

std::string in_words(const MissingNames& missing, std::span<const plan::Dataset> datasets) {
  std::vector<std::string_view> names;
  for (const plan::Dataset& dataset : datasets) names.push_back(dataset.name);
  std::vector<std::string> words;
  for (const std::string& name : missing.first) {
    const std::optional<std::string> near = nearest(name, names);
    words.push_back(near ? fmt::format("{} (the file has {})", name, *near) : name);
  }
  if (missing.count == missing.first.size()) return fmt::format("{}", fmt::join(words, ", "));
  return fmt::format("{}, … {} in all", fmt::join(words, ", "), missing.count);
}

}  // namespace holdfast::load
