#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "load/arrange.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// What a message between ranks that load is about. Those of one subject come in the order in which they were sent.
namespace subject {
constexpr int sum = 2, part = 3;
}

/// The checksum of a chunk, as this rank found it.
struct Sum {
  std::uint64_t row = 0;
  std::uint64_t value = 0;
};

/// What of a chunk stands in this rank's memory.
struct Loaded {
  Stretch stretch;
  StridedMemory memory;
};

/// Collective among the ranks of the links. Takes the checksums of chunks that several ranks have loaded together over what they
/// have in memory: each adds its stretch and hands the unfinished one, some hundred bytes, to the rank that goes on, so that
/// nothing is read again. The ranks work on different chunks at a time. Returns those that end here. `links` are in their order,
/// `loaded` is by rows.
[[nodiscard]] std::vector<Sum> relay(const mpi::Communicator& comm, const std::vector<Link>& links,
                                     const std::map<std::uint64_t, Loaded>& loaded);

}  // namespace holdfast::load
