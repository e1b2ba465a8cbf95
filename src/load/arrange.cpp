#include "load/arrange.hpp"

#include <algorithm>
#include <span>
#include <tuple>

#include "wrap/mpi_grid.hpp"

namespace holdfast::load {
namespace {

/// What a rank reads of a chunk that has several readers: enough for the other readers' work to be worth waiting for.
constexpr std::uint64_t reader_bytes = 64 << 20;
/// Each reader is told everybody's wants, and all of a chunk goes through one checksum, which more would not make faster.
constexpr std::uint64_t most_readers = 16;

/// One rank's offer.
struct Bid {
  int rank = -1;
  const Offer* offer = nullptr;
};

/// In the order of row and rank.
std::vector<Bid> in_order(const ByRank<std::vector<Offer>>& offers) {
  std::vector<Bid> bids;
  for (const auto& [rank, of_rank] : offers)
    for (const Offer& offer : of_rank) bids.push_back({rank, &offer});
  std::ranges::stable_sort(bids, {}, [](const Bid& bid) { return bid.offer->row; });
  return bids;
}

/// A chunk that no rank checks, and what all of them want of it.
struct Chunk {
  std::uint64_t row = 0, address = 0, bytes = 0;
  std::vector<Want> wants = {};
  std::vector<Claim> claims = {};
};

Chunk chunk_of(std::span<const Bid> bids) {
  const Offer& first = *bids.front().offer;
  Chunk chunk{first.row, first.address, first.bytes};
  for (const auto& [rank, offer] : bids) {
    chunk.wants.push_back({rank, offer->part});
    if (offer->stretch.begin < offer->stretch.end) chunk.claims.push_back({rank, offer->stretch});
  }
  return chunk;
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

void add_shared(ByRank<Orders>& out, const Chunk& chunk) {
  const std::vector<std::int32_t> readers = readers_of(chunk);
  for (const Want& want : chunk.wants) {
    const bool is_reader = std::ranges::find(readers, want.rank) != readers.end();
    out[want.rank].shared.push_back({chunk.row, readers, is_reader ? chunk.wants : std::vector<Want>{want}});
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
  const std::vector<Bid> bids = in_order(offers);
  for (std::span<const Bid> left = bids; !left.empty();) {
    const auto is_other = [&](const Bid& bid) { return bid.offer->row != left.front().offer->row; };
    const auto of_chunk = left.first(static_cast<std::size_t>(std::ranges::find_if(left, is_other) - left.begin()));
    left = left.subspan(of_chunk.size());
    if (std::ranges::any_of(of_chunk, [](const Bid& bid) { return bid.offer->is_checked; })) continue;
    const Chunk chunk = chunk_of(of_chunk);
    const std::vector<Claim> links = chain(chunk.claims, chunk.bytes);
    if (links.empty())
      add_shared(out, chunk);
    else
      add_links(out, chunk.row, links);
  }
  return out;
}

Orders agree_on_reading(const mpi::Communicator& comm, std::vector<Offer> offers) {
  ByRank<std::vector<Offer>> by_arranger;
  for (Offer& offer : offers)
    by_arranger[static_cast<int>(offer.row % static_cast<std::uint64_t>(comm.size()))].push_back(std::move(offer));
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
