#pragma once

#include <mpi.h>

#include <cstdint>
#include <span>
#include <string>

#include "screen.hpp"

namespace train {

/// How the rows of a tensor are split over the ranks: as evenly as whole rows allow, so that parts differ by one row
/// and some are empty when there are more ranks than rows.
struct RowSplit {
  std::int64_t rows = 0;
  int ranks = 1;
  [[nodiscard]] std::int64_t begin(int rank) const { return rows * rank / ranks; }
  [[nodiscard]] std::int64_t count(int rank) const { return begin(rank + 1) - begin(rank); }
};

/// The ranks that train together. Every call but rank(), size() and say() is collective. Sums are taken in rank order,
/// so that the same ranks always get the same bits.
class Group {
 public:
  explicit Group(MPI_Comm comm);

  [[nodiscard]] MPI_Comm comm() const { return comm_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }

  /// Puts every rank's rows together: `part` is this rank's share of `whole` under `split`.
  void all_gather(RowSplit split, std::span<const float> part, std::span<float> whole) const;
  /// Adds `whole` over the ranks and leaves this rank's rows of the sum in `part`.
  void reduce_scatter(RowSplit split, std::span<const float> whole, std::span<float> part) const;
  [[nodiscard]] double sum(double value) const;
  [[nodiscard]] double max(double value) const;
  void barrier() const;

  /// A line for the user: rank 0 prints it at once.
  void say(const std::string& line, screen::Tone tone = screen::Tone::plain) const;

 private:
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace train
