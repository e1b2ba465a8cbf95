#pragma once

#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Collective. Sends `out[r]` to rank r; entry r of the result came from rank r. Each rank gets one message, whose size
/// the receiver learns from the message, so sizes are not exchanged first. MPI counts in int, so more than
/// `message_bytes` are sent in several messages.
[[nodiscard]] std::vector<Bytes> all_to_all(const Communicator& comm, std::vector<Bytes> out,
                                            std::size_t message_bytes = Communicator::max_round_bytes);

}  // namespace holdfast::mpi
