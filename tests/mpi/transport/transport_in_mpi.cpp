// Lines to a helper from ranks of an MPI program, whose MPI may use UCX too: neither disturbs the other.
#include <gtest/gtest.h>
#include <mpi.h>

#include "base/checksum.hpp"
#include "unit/transport/processes.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::transport::test {
namespace {

/// Rank 0 starts the helper of all.
struct SharedHelper {
  mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  std::unique_ptr<Process> process;
  Address address = unique_address();

  SharedHelper() {
    mpi::broadcast_value(comm, address.socket_name, 0);
    mpi::broadcast_value(comm, address.nonce, 0);
    if (comm.rank() == 0) process = start_helper(address);
  }
};

TEST(TransportInMpi, EveryRankFillsAnArenaWhileMpiCommunicates) {
  SharedHelper helper;
  const auto connection = connect(helper.address, helper.comm.rank(), Transport::automatic, soon());
  const auto arena = open_arena(*connection, 0, 8 << 20);
  for (int round = 0; round < 5; ++round) {
    const auto value = static_cast<std::byte>(16 * round + helper.comm.rank());
    std::fill(arena->memory().begin(), arena->memory().end(), value);
    std::int64_t total = 1;
    helper.comm.allreduce(std::span(&total, 1), MPI_SUM);
    EXPECT_EQ(total, helper.comm.size());

    arena->deliver(arena->memory().size(), soon());
    send(*connection, Staged{.arena = 1, .error = {}}, soon());
    const auto answer = connection->receive(soon());
    ASSERT_TRUE(answer);
    EXPECT_EQ(decode<Done>(answer->payload).bytes, checksum(Bytes(8 << 20, value)));
  }
  connection->disconnect();
  helper.comm.barrier();  // rank 0 ends the helper, when all are done
  helper.comm.free();
}

}  // namespace
}  // namespace holdfast::transport::test
