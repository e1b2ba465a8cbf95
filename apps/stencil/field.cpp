#include "field.hpp"

#include <cstring>

namespace stencil {

std::uint64_t mixed(double value, std::uint64_t place) {
  std::uint64_t z = 0;
  std::memcpy(&z, &value, sizeof z);
  z += (place + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Field::Field(MPI_Comm ranks, std::int64_t n) : ranks_(ranks), n_(n) {
  int sides[3], periods[3], place[3];
  MPI_Cart_get(ranks, 3, sides, periods, place);
  for (std::size_t d = 0; d < 3; ++d) {
    begin_[d] = n * place[d] / sides[d];
    extent_[d] = n * (place[d] + 1) / sides[d] - begin_[d];
  }
  now_.resize(static_cast<std::size_t>((extent_[0] + 2) * (extent_[1] + 2) * (extent_[2] + 2)));
  next_ = now_;
}

template <class Visit>
void Field::for_each_cell(Visit&& visit) const {
  for (std::int64_t x = 0; x < extent_[0]; ++x)
    for (std::int64_t y = 0; y < extent_[1]; ++y)
      for (std::int64_t z = 0; z < extent_[2]; ++z) visit(x, y, z);
}

void Field::fill(double (*value)(const Triple& cell, std::int64_t n)) {
  for_each_cell([&](std::int64_t x, std::int64_t y, std::int64_t z) {
    now_[at(x, y, z)] = value({begin_[0] + x, begin_[1] + y, begin_[2] + z}, n_);
  });
}

void Field::step() {
  exchange_ghosts();
  constexpr double rate = 0.1;
  for_each_cell([&](std::int64_t x, std::int64_t y, std::int64_t z) {
    const double here = now_[at(x, y, z)];
    const double around = now_[at(x - 1, y, z)] + now_[at(x + 1, y, z)] + now_[at(x, y - 1, z)] +
                          now_[at(x, y + 1, z)] + now_[at(x, y, z - 1)] + now_[at(x, y, z + 1)];
    next_[at(x, y, z)] = here + rate * (around - 6 * here);
  });
  now_.swap(next_);  // the state is bound to the vector, not to its memory
}

/// Dimension by dimension, each with the ghosts of the ones before, which fills edges and corners.
void Field::exchange_ghosts() {
  int sizes[3];
  for (std::size_t d = 0; d < 3; ++d) sizes[d] = static_cast<int>(extent_[d]) + 2;
  for (int d = 0; d < 3; ++d) {
    int slab[3] = {sizes[0], sizes[1], sizes[2]}, corner[3] = {0, 0, 0}, below = 0, above = 0;
    slab[d] = 1;
    MPI_Cart_shift(ranks_, d, 1, &below, &above);
    const auto layer = [&](int place) {
      corner[d] = place;
      MPI_Datatype type = MPI_DATATYPE_NULL;
      MPI_Type_create_subarray(3, sizes, slab, corner, MPI_ORDER_C, MPI_DOUBLE, &type);
      MPI_Type_commit(&type);
      return type;
    };
    MPI_Datatype first = layer(1), last = layer(sizes[d] - 2), ghost_below = layer(0),
                 ghost_above = layer(sizes[d] - 1);
    MPI_Sendrecv(now_.data(), 1, first, below, 0, now_.data(), 1, ghost_above, above, 0, ranks_, MPI_STATUS_IGNORE);
    MPI_Sendrecv(now_.data(), 1, last, above, 1, now_.data(), 1, ghost_below, below, 1, ranks_, MPI_STATUS_IGNORE);
    for (MPI_Datatype* type : {&first, &last, &ghost_below, &ghost_above}) MPI_Type_free(type);
  }
}

std::uint64_t Field::checksum() const {
  std::uint64_t sum = 0;
  for_each_cell([&](std::int64_t x, std::int64_t y, std::int64_t z) {
    const std::int64_t place = ((begin_[0] + x) * n_ + begin_[1] + y) * n_ + begin_[2] + z;
    sum ^= mixed(now_[at(x, y, z)], static_cast<std::uint64_t>(place));
  });
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_BXOR, ranks_);
  return sum;
}

holdfast::TensorView Field::view() {
  const auto size = static_cast<std::uint64_t>(n_);
  holdfast::Shard box{.global = {size, size, size}, .offset = {}, .extent = {}};
  for (std::size_t d = 0; d < 3; ++d) {
    box.offset.push_back(static_cast<std::uint64_t>(begin_[d]));
    box.extent.push_back(static_cast<std::uint64_t>(extent_[d]));
  }
  box.stride = {(extent_[1] + 2) * (extent_[2] + 2), extent_[2] + 2, 1};
  return holdfast::shard([this]() -> void* { return &now_[at(0, 0, 0)]; }, holdfast::DType::f64, std::move(box));
}

}  // namespace stencil
