#include "load/assign_readers.hpp"

#include <algorithm>
#include <span>
#include <tuple>

#include "wrap/mpi_grid.hpp"

namespace holdfast::load {
namespace {

/// Bytes of a chunk for each of several readers: enough for the other readers' work to be worth waiting for.
constexpr std::uint64_t reader_bytes = 64 << 20;
/// More readers would make a chunk no faster: all of it goes through one checksum. Each reader is told the wants of all
/// ranks.
constexpr std::uint64_t most_readers = 16;

/// One rank's request.
struct Bid {
  int rank = -1;
  const ChunkRequest* request = nullptr;
};

/// The requests, sorted by row, then by rank.
std::vector<Bid> in_order(const ByRank<std::vector<ChunkRequest>>& requests) {
  std::vector<Bid> bids;
  for (const auto& [rank, of_rank] : requests)
    for (const ChunkRequest& request : of_rank) bids.push_back({rank, &request});
  std::ranges::stable_sort(bids, {}, [](const Bid& bid) { return bid.request->row; });
  return bids;
}

/// A chunk that no rank checks for itself, and what all ranks want of it.
struct Chunk {
  std::uint64_t row = 0, address = 0, bytes = 0;
  std::vector<std::int32_t> ranks = {};  ///< ascending
  std::vector<RankBox> wants = {};
  std::vector<HeldRange> held = {};
};

Chunk chunk_of(std::span<const Bid> bids) {
  const ChunkRequest& first = *bids.front().request;
  Chunk chunk{first.row, first.address, first.bytes};
  for (const auto& [rank, request] : bids) {
    chunk.ranks.push_back(rank);
    for (const Box& part : request->parts) chunk.wants.push_back({rank, part});
    for (const ByteRange& range : request->ranges) chunk.held.push_back({rank, range});
  }
  return chunk;
}

/// The readers of a chunk, from the ranks that want a part of it. Where the chunk begins in the file says which is the
/// first, so that neighbours in the file have the same reader and are read together, and all ranks get their share.
std::vector<std::int32_t> readers_of(const Chunk& chunk) {
  const std::uint64_t ranks = chunk.ranks.size(), first = chunk.address / reader_bytes;
  const std::uint64_t count = std::clamp<std::uint64_t>(chunk.bytes / reader_bytes, 1, std::min(ranks, most_readers));
  std::vector<std::int32_t> readers;
  for (std::uint64_t i = 0; i < count; ++i) readers.push_back(chunk.ranks[(first + i) % ranks]);
  return readers;
}

void add_links(ByRank<ReadAssignment>& out, std::uint64_t row, const std::vector<HeldRange>& held) {
  ChainLink link{.row = row};
  for (std::size_t i = 0; i < held.size(); ++i) {
    link.place = static_cast<std::uint32_t>(i);
    link.range = held[i].range;
    link.to = i + 1 < held.size() ? held[i + 1].rank : -1;
    out[held[i].rank].links.push_back(link);
    link.from = held[i].rank;
  }
}

void add_shared(ByRank<ReadAssignment>& out, const Chunk& chunk) {
  const std::vector<std::int32_t> readers = readers_of(chunk);
  auto own = chunk.wants.begin();
  for (const std::int32_t rank : chunk.ranks) {
    const auto end = std::find_if(own, chunk.wants.end(), [&](const RankBox& want) { return want.rank != rank; });
    const bool is_reader = std::ranges::find(readers, rank) != readers.end();
    out[rank].shared.push_back({chunk.row, readers, is_reader ? chunk.wants : std::vector(own, end)});
    own = end;
  }
}

template <class T>
ByRank<T> deliver(const mpi::Grid& grid, const ByRank<T>& out) {
  std::vector<RankMessage> messages;
  for (const auto& [rank, items] : out) messages.push_back({rank, encode(items)});
  ByRank<T> in;
  for (const RankMessage& message : grid.deliver(messages)) in.emplace(message.rank, decode<T>(message.bytes));
  return in;
}

}  // namespace

ByRank<ReadAssignment> assign_readers(const ByRank<std::vector<ChunkRequest>>& requests) {
  ByRank<ReadAssignment> out;
  const std::vector<Bid> bids = in_order(requests);
  for (std::span<const Bid> left = bids; !left.empty();) {
    const auto is_other = [&](const Bid& bid) { return bid.request->row != left.front().request->row; };
    const auto of_chunk = left.first(static_cast<std::size_t>(std::ranges::find_if(left, is_other) - left.begin()));
    left = left.subspan(of_chunk.size());
    if (std::ranges::any_of(of_chunk, [](const Bid& bid) { return bid.request->is_checked; })) continue;
    const Chunk chunk = chunk_of(of_chunk);
    const std::vector<HeldRange> links = covering_ranges(chunk.held, chunk.bytes);
    if (links.empty())
      add_shared(out, chunk);
    else
      add_links(out, chunk.row, links);
  }
  return out;
}

ReadAssignment agree_on_reading(const mpi::Communicator& comm, std::vector<ChunkRequest> requests) {
  ByRank<std::vector<ChunkRequest>> by_arranger;
  for (ChunkRequest& request : requests)
    by_arranger[static_cast<int>(request.row % static_cast<std::uint64_t>(comm.size()))].push_back(std::move(request));
  mpi::Grid grid(comm);
  const ByRank<ReadAssignment> arranged = deliver(grid, assign_readers(deliver(grid, by_arranger)));
  grid.free();
  ReadAssignment assignment;
  for (const auto& [rank, of_one] : arranged) {
    assignment.links.insert(assignment.links.end(), of_one.links.begin(), of_one.links.end());
    assignment.shared.insert(assignment.shared.end(), of_one.shared.begin(), of_one.shared.end());
  }
  std::ranges::sort(assignment.links, {}, [](const ChainLink& link) { return std::tuple(link.place, link.row); });
  return assignment;
}

}  // namespace holdfast::load
