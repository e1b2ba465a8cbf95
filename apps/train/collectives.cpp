#include "collectives.hpp"

#include <algorithm>
#include <climits>
#include <functional>
#include <stdexcept>
#include <vector>

namespace train {

namespace {

/// Counts and displacements of the ranks' parts in floats, as MPI wants them.
struct Counts {
  std::vector<int> counts, offsets;

  Counts(RowSplit split, std::size_t floats) {
    if (floats > INT_MAX)
      throw std::length_error("a layer has more elements than an MPI count can say; use more, smaller layers");
    const auto columns = split.rows == 0 ? 0 : static_cast<std::int64_t>(floats) / split.rows;
    for (int rank = 0; rank < split.ranks; ++rank) {
      counts.push_back(static_cast<int>(split.count(rank) * columns));
      offsets.push_back(static_cast<int>(split.begin(rank) * columns));
    }
  }
};

}  // namespace

Group::Group(MPI_Comm comm) : comm_(comm) {
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

void Group::all_gather(RowSplit split, std::span<const float> part, std::span<float> whole) const {
  const Counts parts(split, whole.size());
  MPI_Allgatherv(part.data(), static_cast<int>(part.size()), MPI_FLOAT, whole.data(), parts.counts.data(),
                 parts.offsets.data(), MPI_FLOAT, comm_);
}

void Group::reduce_scatter(RowSplit split, std::span<const float> whole, std::span<float> part) const {
  // MPI_Reduce_scatter may add in any order; here each owner gets all contributions to its rows and adds them itself.
  const Counts parts(split, whole.size());
  const int own = static_cast<int>(part.size());
  std::vector<float> received(part.size() * static_cast<std::size_t>(size_));
  std::vector<int> counts(static_cast<std::size_t>(size_), own), offsets;
  for (int rank = 0; rank < size_; ++rank) offsets.push_back(rank * own);
  MPI_Alltoallv(whole.data(), parts.counts.data(), parts.offsets.data(), MPI_FLOAT, received.data(), counts.data(),
                offsets.data(), MPI_FLOAT, comm_);
  std::ranges::fill(part, 0.0F);
  for (auto from = received.cbegin(); from != received.cend(); from += own) {
    std::transform(part.begin(), part.end(), from, part.begin(), std::plus<>{});
  }
}

double Group::sum(double value) const {
  std::vector<double> values(static_cast<std::size_t>(size_));
  MPI_Allgather(&value, 1, MPI_DOUBLE, values.data(), 1, MPI_DOUBLE, comm_);
  double total = 0;
  for (const double each : values) total += each;
  return total;
}

double Group::max(double value) const {
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, comm_);
  return value;
}

void Group::barrier() const {
  MPI_Barrier(comm_);
}

void Group::say(const std::string& line, screen::Tone tone) const {
  if (rank_ == 0) screen::line(line, tone);
}

}  // namespace train
