#include "wrap/mpi_grid.hpp"

#include <algorithm>
#include <numeric>

namespace holdfast::mpi {
namespace {

/// What a hop costs beside one message for each rank on the line, in messages: parcels are packed, and the slowest rank is waited
/// for, which the model of docs/scale.md leaves out.
constexpr int messages_per_hop = 60;

int messages_along(const std::vector<int>& sides) {
  return std::accumulate(sides.begin(), sides.end(), 0) + messages_per_hop * static_cast<int>(sides.size());
}

/// The cheapest ascending sides of `least` or more.
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

std::vector<Parcel> straight(const Communicator& comm, const std::vector<Parcel>& parcels) {
  std::vector<Bytes> out(static_cast<std::size_t>(comm.size()));
  for (const Parcel& parcel : parcels) out[static_cast<std::size_t>(parcel.rank)] = parcel.bytes;
  std::vector<Bytes> in = all_to_all(comm, std::move(out));
  std::vector<Parcel> arrived;
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

std::vector<Parcel> Grid::deliver(const std::vector<Parcel>& parcels) const {
  if (dimensions_.empty()) return straight(comm_, parcels);
  std::vector<Bytes> bags(1);
  for (const Parcel& parcel : parcels)
    if (!parcel.bytes.empty()) put(bags.front(), {comm_.rank(), parcel.rank, parcel.bytes});
  for (int hop = 0; hop < hops(); ++hop)
    bags = exchange(hop, sorted(bags, side(hop), [&](int rank) { return place_of(rank, hop); }));
  std::vector<Parcel> arrived;
  for (const Bytes& bag : bags)
    for_each_parcel(bag, [&](const Routed& parcel) {
      arrived.push_back({parcel.from, {parcel.bytes.begin(), parcel.bytes.end()}});
    });
  std::ranges::sort(arrived, {}, &Parcel::rank);
  return arrived;
}

int Grid::place_of(int rank, int hop) const noexcept {
  return dimensions_.empty() ? rank : rank / dimensions_[static_cast<std::size_t>(hop)].stride % side(hop);
}

void Grid::free() {
  for (Dimension& dimension : dimensions_) dimension.line.free();
}

}  // namespace holdfast::mpi
