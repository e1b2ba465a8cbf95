#include "wrap/mpi_grid.hpp"

#include <algorithm>

namespace holdfast::mpi {
namespace {

/// docs/scale.md: below, the messages that the second hop saves cost less than what it adds.
constexpr int grid_from_ranks = 256;
/// A grid of fewer columns than that, as of 2 x a prime, saves nothing worth it.
constexpr int fewest_columns = 8;

/// A parcel with both its ends.
struct Routed {
  std::int32_t from = -1, to = -1;
  Bytes bytes;
  static void fields(auto& codec, auto& self) { codec(self.from, self.to, self.bytes); }
};

/// One hop: `place_of` says to which rank of `comm` each goes.
template <class PlaceOf>
std::vector<Routed> hop(const Communicator& comm, std::vector<Routed> parcels, PlaceOf&& place_of) {
  std::vector<std::vector<Routed>> lists(static_cast<std::size_t>(comm.size()));
  for (Routed& parcel : parcels) lists[static_cast<std::size_t>(place_of(parcel.to))].push_back(std::move(parcel));
  std::vector<Bytes> out(lists.size());
  for (std::size_t place = 0; place < lists.size(); ++place)
    if (!lists[place].empty()) out[place] = encode(lists[place]);
  std::vector<Routed> in;
  for (const Bytes& bytes : comm.all_to_all(out))
    if (!bytes.empty()) std::ranges::move(decode<std::vector<Routed>>(bytes), std::back_inserter(in));
  return in;
}

std::vector<Parcel> straight(const Communicator& comm, const std::vector<Parcel>& parcels) {
  std::vector<Bytes> out(static_cast<std::size_t>(comm.size()));
  for (const Parcel& parcel : parcels) out[static_cast<std::size_t>(parcel.rank)] = parcel.bytes;
  std::vector<Bytes> in = comm.all_to_all(out);
  std::vector<Parcel> arrived;
  for (std::size_t rank = 0; rank < in.size(); ++rank)
    if (!in[rank].empty()) arrived.push_back({static_cast<int>(rank), std::move(in[rank])});
  return arrived;
}

}  // namespace

int Grid::best_columns(int ranks) noexcept {
  if (ranks < grid_from_ranks) return 1;
  int best = 1;
  for (int columns = 2; columns <= ranks / columns; ++columns)
    if (ranks % columns == 0) best = columns;
  return best < fewest_columns ? 1 : best;
}

Grid::Grid(const Communicator& comm, int columns) : comm_(comm), columns_(columns) {
  if (columns_ == 1) return;
  row_ = comm.split(comm.rank() / columns_, comm.rank());
  column_ = comm.split(comm.rank() % columns_, comm.rank());
}

std::vector<Parcel> Grid::deliver(const std::vector<Parcel>& parcels) const {
  if (columns_ == 1) return straight(comm_, parcels);
  std::vector<Routed> under_way;
  for (const Parcel& parcel : parcels)
    if (!parcel.bytes.empty()) under_way.push_back({comm_.rank(), parcel.rank, parcel.bytes});
  under_way = hop(row_, std::move(under_way), [&](int to) { return to % columns_; });
  under_way = hop(column_, std::move(under_way), [&](int to) { return to / columns_; });
  std::vector<Parcel> arrived;
  for (Routed& parcel : under_way) arrived.push_back({parcel.from, std::move(parcel.bytes)});
  std::ranges::sort(arrived, {}, &Parcel::rank);
  return arrived;
}

void Grid::free() {
  row_.free();
  column_.free();
}

}  // namespace holdfast::mpi
