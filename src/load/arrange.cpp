#include "load/arrange.hpp"

#include <algorithm>
#include <tuple>

#include "wrap/mpi_grid.hpp"

namespace holdfast::load {
namespace {

/// What a rank reads of a chunk that has several readers: enough for the other readers' work to be worth waiting for.
constexpr std::uint64_t reader_bytes = 64 << 20;
/// Each reader is told everybody's wants, and all of a chunk goes through one checksum, which more would not make faster.
constexpr std::uint64_t most_readers = 16;

/// A chunk, and what all ranks want of it.
struct Chunk {
  std::uint64_t address = 0, bytes = 0;
  bool is_checked = false;
  std::vector<Want> wants = {};
  std::vector<Claim> claims = {};
};

std::map<std::uint64_t, Chunk> by_row(const ByRank<std::vector<Offer>>& offers) {
  std::map<std::uint64_t, Chunk> chunks;
  for (const auto& [rank, of_rank] : offers)
    for (const Offer& offer : of_rank) {
      Chunk& chunk = chunks[offer.row];
      chunk.address = offer.address;
      chunk.bytes = offer.bytes;
      chunk.is_checked = chunk.is_checked || offer.is_checked;
      chunk.wants.push_back({rank, offer.part});
      if (offer.stretch.begin < offer.stretch.end) chunk.claims.push_back({rank, offer.stretch});
    }
  return chunks;
}

/// Ranks that want something of the chunk. Where it begins in the file says which is the first, so that neighbours there have the
/// same reader and are read together, and all ranks get their share.
std::vector<std::int32_t> readers_of(const Chunk& chunk) {
  const std::uint64_t ranks = chunk.wants.size(), first = chunk.address / reader_bytes;
  const std::uint64_t count = std::clamp<std::uint64_t>(chunk.bytes / reader_bytes, 1, std::min(ranks, most_readers));
  std::vector<std::int32_t> readers;
  for (std::uint64_t i = 0; i < count; ++i) readers.push_back(chunk.wants[(first + i) % ranks].rank);
  return readers;
}

void add_links(ByRank<Orders>& out, std::uint64_t row, const std::vector<Claim>& claims) {
  Link link{.row = row};
  for (std::size_t i = 0; i < claims.size(); ++i) {
    link.place = static_cast<std::uint32_t>(i);
    link.stretch = claims[i].stretch;
    link.to = i + 1 < claims.size() ? claims[i + 1].rank : -1;
    out[claims[i].rank].links.push_back(link);
    link.from = claims[i].rank;
  }
}

void add_shared(ByRank<Orders>& out, std::uint64_t row, const Chunk& chunk) {
  const std::vector<std::int32_t> readers = readers_of(chunk);
  for (const Want& want : chunk.wants) {
    const bool is_reader = std::ranges::find(readers, want.rank) != readers.end();
    out[want.rank].shared.push_back({row, readers, is_reader ? chunk.wants : std::vector<Want>{want}});
  }
}

template <class T>
ByRank<T> deliver(const mpi::Grid& grid, const ByRank<T>& out) {
  std::vector<Parcel> parcels;
  for (const auto& [rank, items] : out) parcels.push_back({rank, encode(items)});
  ByRank<T> in;
  for (const Parcel& parcel : grid.deliver(parcels)) in.emplace(parcel.rank, decode<T>(parcel.bytes));
  return in;
}

}  // namespace

ByRank<Orders> arrange(const ByRank<std::vector<Offer>>& offers) {
  ByRank<Orders> out;
  for (const auto& [row, chunk] : by_row(offers)) {
    if (chunk.is_checked) continue;
    const std::vector<Claim> links = chain(chunk.claims, chunk.bytes);
    if (links.empty())
      add_shared(out, row, chunk);
    else
      add_links(out, row, links);
  }
  return out;
}

Orders agree_on_reading(const mpi::Communicator& comm, const std::vector<Offer>& offers) {
  ByRank<std::vector<Offer>> by_arranger;
  for (const Offer& offer : offers)
    by_arranger[static_cast<int>(offer.row % static_cast<std::uint64_t>(comm.size()))].push_back(offer);
  mpi::Grid grid(comm);
  const ByRank<Orders> arranged = deliver(grid, arrange(deliver(grid, by_arranger)));
  grid.free();
  Orders orders;
  for (const auto& [rank, of_one] : arranged) {
    orders.links.insert(orders.links.end(), of_one.links.begin(), of_one.links.end());
    orders.shared.insert(orders.shared.end(), of_one.shared.begin(), of_one.shared.end());
  }
  std::ranges::sort(orders.links, {}, [](const Link& link) { return std::tuple(link.place, link.row); });
  return orders;
}

}  // namespace holdfast::load
