#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "load/chain.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// A chunk of which this rank has loaded something, or is going to.
struct Touched {
  std::uint64_t row = 0;  ///< in the file's chunk table
  std::uint64_t bytes = 0;
  bool is_checked = false;  ///< this rank has seen that it is right
  /// What of it stands in this rank's memory, if its checksum can go over that.
  std::optional<Stretch> stretch = {};
  StridedMemory memory = {};
};

/// The checksum of a chunk.
struct Sum {
  std::uint64_t row = 0;
  std::uint64_t value = 0;
};

/// What is left to a rank; both are of chunks that it touches.
struct Duties {
  std::vector<Sum> sums;            ///< which it has to compare
  std::vector<std::uint64_t> rows;  ///< which it has to read and check
};

/// Collective. Sees to it that each chunk that any rank touches is checked once. One that nobody has loaded as a whole, but
/// several together, is checked in memory: each adds what it has to the checksum and hands the unfinished one, some hundred
/// bytes, to the rank that goes on, so that nothing is read again. The ranks work on different chunks at a time. Each chunk has a
/// rank that arranges this, by its row. `touched` is in the order of rows, each row once.
[[nodiscard]] Duties share_checks(const mpi::Communicator& comm, std::span<const Touched> touched);

}  // namespace holdfast::load
