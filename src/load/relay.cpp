#include "load/relay.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/checksum.hpp"
#include "tensor/runs.hpp"
#include "wrap/mpi_grid.hpp"
#include "wrap/mpi_outbox.hpp"

namespace holdfast::load {
namespace {

/// What a rank tells the one that arranges a chunk's check.
struct Offer {
  std::uint64_t row = 0;
  std::uint64_t bytes = 0;
  bool is_checked = false;
  Stretch stretch;  ///< empty if it has none
  static void fields(auto& codec, auto& self) { codec(self.row, self.bytes, self.is_checked, self.stretch); }
};

/// What a rank has to do for a chunk: take its unfinished checksum from a rank (the first one begins it), add a stretch, and hand
/// it on (the last one keeps it). Or, without a stretch, read it.
struct Link {
  std::uint64_t row = 0;
  std::uint32_t place = 0;  ///< in the chunk's chain
  Stretch stretch;
  std::int32_t from = -1, to = -1;
  static void fields(auto& codec, auto& self) { codec(self.row, self.place, self.stretch, self.from, self.to); }
};

template <class T>
using ByRank = std::map<int, std::vector<T>>;

template <class T>
ByRank<T> deliver(const mpi::Grid& grid, const ByRank<T>& out) {
  std::vector<Parcel> parcels;
  for (const auto& [rank, items] : out) parcels.push_back({rank, encode(items)});
  ByRank<T> in;
  for (const Parcel& parcel : grid.deliver(parcels)) in.emplace(parcel.rank, decode<std::vector<T>>(parcel.bytes));
  return in;
}

ByRank<Offer> offers_of(std::span<const Touched> touched, int ranks) {
  ByRank<Offer> out;
  for (const Touched& chunk : touched)
    out[static_cast<int>(chunk.row % static_cast<std::uint64_t>(ranks))].push_back(
        {chunk.row, chunk.bytes, chunk.is_checked, chunk.stretch.value_or(Stretch{})});
  return out;
}

void add_links(ByRank<Link>& out, std::uint64_t row, const std::vector<Claim>& claims) {
  Link link{.row = row};
  for (std::size_t i = 0; i < claims.size(); ++i) {
    link.place = static_cast<std::uint32_t>(i);
    link.stretch = claims[i].stretch;
    link.to = i + 1 < claims.size() ? claims[i + 1].rank : -1;
    out[claims[i].rank].push_back(link);
    link.from = claims[i].rank;
  }
}

/// For the chunks that this rank arranges. One that has to be read goes to one of those that touch it, by its row, so that all of
/// them get their share.
ByRank<Link> arrange(const ByRank<Offer>& offers, std::uint64_t ranks) {
  struct Chunk {
    std::uint64_t bytes = 0;
    bool is_checked = false;
    std::vector<int> ranks = {};
    std::vector<Claim> claims = {};
  };
  std::map<std::uint64_t, Chunk> chunks;
  for (const auto& [rank, of_rank] : offers)
    for (const Offer& offer : of_rank) {
      Chunk& chunk = chunks[offer.row];
      chunk.bytes = offer.bytes;
      chunk.is_checked = chunk.is_checked || offer.is_checked;
      chunk.ranks.push_back(rank);
      if (offer.stretch.begin < offer.stretch.end) chunk.claims.push_back({rank, offer.stretch});
    }
  ByRank<Link> out;
  for (auto& [row, chunk] : chunks) {
    if (chunk.is_checked) continue;
    const std::vector<Claim> links = chain(std::move(chunk.claims), chunk.bytes);
    add_links(out, row, links);
    if (links.empty()) out[chunk.ranks[row / ranks % chunk.ranks.size()]].push_back({.row = row});
  }
  return out;
}

void add(Checksum& sum, const Touched& chunk, const Stretch& wanted) {
  const Runs runs = collapse(chunk.memory);
  std::uint64_t at = chunk.stretch->begin;
  for_each_start(chunk.memory.data, runs, 0, [&](const std::byte* run) {
    const std::uint64_t begin = std::max(at, wanted.begin), end = std::min(at + runs.bytes, wanted.end);
    if (begin < end) sum.update({run + (begin - at), end - begin});
    at += runs.bytes;
  });
}

/// A link waits for one with a lower place, and each rank takes its own in the order of places, so the wait has an end. It is
/// also in the order of rows, on both sides, so that two ranks need nothing to tell their messages apart.
std::vector<Sum> pass_on(const mpi::Communicator& comm, const std::vector<Link>& links, std::span<const Touched> touched) {
  std::vector<Sum> sums;
  mpi::Outbox outbox(comm);
  for (const Link& link : links) {
    Checksum sum;
    if (link.from >= 0) sum.resume(mpi::receive(comm, link.from, Checksum::state_bytes));
    add(sum, *std::ranges::lower_bound(touched, link.row, {}, &Touched::row), link.stretch);
    if (link.to >= 0)
      outbox.send(link.to, sum.state());
    else
      sums.push_back({link.row, sum.value()});
  }
  outbox.finish();
  return sums;
}

}  // namespace

Duties share_checks(const mpi::Communicator& comm, std::span<const Touched> touched) {
  mpi::Grid grid(comm);
  const ByRank<Offer> offers = deliver(grid, offers_of(touched, comm.size()));
  const ByRank<Link> arranged = deliver(grid, arrange(offers, static_cast<std::uint64_t>(comm.size())));
  grid.free();
  Duties duties;
  std::vector<Link> links;
  for (const auto& [rank, of_one] : arranged)
    for (const Link& link : of_one)
      if (link.stretch.begin < link.stretch.end)
        links.push_back(link);
      else
        duties.rows.push_back(link.row);
  std::ranges::sort(links, {}, [](const Link& link) { return std::tuple(link.place, link.row); });
  duties.sums = pass_on(comm, links, touched);
  return duties;
}

}  // namespace holdfast::load
