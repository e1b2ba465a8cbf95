#include "wrap/mpi_grid.hpp"

#include <algorithm>
#include <numeric>

namespace holdfast::mpi {
namespace {

/// The fixed cost of a hop, in messages, beside one message per rank on the line. It stands for packing and for waiting
/// for the slowest rank, which the model of docs/scale.md leaves out.
constexpr int messages_per_hop = 60;

int messages_along(const std::vector<int>& sides) {
  return std::accumulate(sides.begin(), sides.end(), 0) + messages_per_hop * static_cast<int>(sides.size());
}

/// The cheapest ascending sides, each at least `least`.
std::vector<int> cheapest_sides(int ranks, int least) {
  std::vector<int> best = {ranks};
  for (int side = least; side <= ranks / side; ++side) {
    if (ranks % side != 0) continue;
    std::vector<int> sides = cheapest_sides(ranks / side, side);
    sides.insert(sides.begin(), side);
    if (messages_along(sides) < messages_along(best)) best = std::move(sides);
  }
  return best;
}

std::vector<RankMessage> straight(const Communicator& comm, const std::vector<RankMessage>& messages) {
  std::vector<Bytes> out(static_cast<std::size_t>(comm.size()));
  for (const RankMessage& message : messages) out[static_cast<std::size_t>(message.rank)] = message.bytes;
  std::vector<Bytes> in = all_to_all(comm, std::move(out));
  std::vector<RankMessage> arrived;
  for (std::size_t rank = 0; rank < in.size(); ++rank)
    if (!in[rank].empty()) arrived.push_back({static_cast<int>(rank), std::move(in[rank])});
  return arrived;
}

}  // namespace

std::vector<int> Grid::best_sides(int ranks) {
  return cheapest_sides(ranks, 2);
}

Grid::Grid(const Communicator& comm, const std::vector<int>& sides) : comm_(comm) {
  if (sides.size() < 2) return;
  int stride = 1;
  for (const int side : sides) {
    const int place = comm.rank() / stride % side;
    dimensions_.push_back({stride, comm.split(comm.rank() - place * stride, comm.rank())});
    stride *= side;
  }
}

std::vector<RankMessage> Grid::deliver(const std::vector<RankMessage>& messages) const {
  if (dimensions_.empty()) return straight(comm_, messages);
  std::vector<Bytes> batches(1);
  for (const RankMessage& message : messages)
    if (!message.bytes.empty()) put(batches.front(), {comm_.rank(), message.rank, message.bytes});
  for (int hop = 0; hop < hops(); ++hop)
    batches = exchange(hop, sorted(batches, side(hop), [&](int rank) { return next_hop(rank, hop); }));
  std::vector<RankMessage> arrived;
  for (const Bytes& batch : batches)
    for_each_message(batch, [&](const RoutedMessage& message) {
      arrived.push_back({message.from, {message.bytes.begin(), message.bytes.end()}});
    });
  std::ranges::sort(arrived, {}, &RankMessage::rank);
  return arrived;
}

int Grid::next_hop(int rank, int hop) const noexcept {
  return dimensions_.empty() ? rank : rank / dimensions_[static_cast<std::size_t>(hop)].stride % side(hop);
}

void Grid::free() {
  for (Dimension& dimension : dimensions_) dimension.line.free();
}

}  // namespace holdfast::mpi
