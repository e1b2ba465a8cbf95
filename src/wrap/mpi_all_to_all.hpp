#pragma once

#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Collective. `out[r]` goes to rank r; the result's entry r came from rank r. One message to each, whose size the receiver
/// learns from it, so nothing is agreed on first; MPI counts in int, so what is longer than `message_bytes` goes in several.
[[nodiscard]] std::vector<Bytes> all_to_all(const Communicator& comm, std::vector<Bytes> out,
                                            std::size_t message_bytes = Communicator::max_round_bytes);

}  // namespace holdfast::mpi
