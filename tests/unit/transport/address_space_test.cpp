// Processes that may have few addresses (RLIMIT_AS, `ulimit -v`): what cannot be mapped is an error, and the next thing
// works.
#include "support/address_space.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/checksum.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

constexpr std::uint64_t MiB = 1 << 20;

void expect_no_room(Connection& connection, std::uint64_t bytes) {
  try {
    static_cast<void>(open_arena(connection, 0, bytes));
    FAIL() << bytes << " bytes cannot be mapped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(bytes)));
    EXPECT_FALSE(error.context().host.empty());
  }
}

/// What is put into it arrives.
void expect_right(Connection& connection, Arena& arena) {
  const std::span<std::byte> memory = arena.memory();
  std::fill(memory.begin(), memory.end(), std::byte{7});
  arena.deliver(memory.size(), soon());
  send(connection, Staged{.arena = 1, .error = {}}, soon());
  const auto answer = connection.receive(soon());
  ASSERT_TRUE(answer);
  EXPECT_EQ(decode<Done>(answer->payload).bytes, checksum(memory));
}

void expect_it_works(Connection& connection, std::uint64_t bytes) {
  const auto arena = open_arena(connection, 0, bytes);
  expect_right(connection, *arena);
}

using holdfast::test::LimitedAddressSpace;

class AddressSpace : public testing::TestWithParam<Transport> {
 protected:
  const Address address = unique_address();
};

TEST_P(AddressSpace, TooSmallForTheRanksMappingIsAnError) {
  const auto helper = start_helper(address);
  const auto connection = connect(address, 0, GetParam(), soon());
  {
    const LimitedAddressSpace limited(32 * MiB);
    expect_no_room(*connection, 64 * MiB);
    expect_no_room(*connection, 64 * MiB);
    expect_it_works(*connection, 4 * MiB);
  }
  expect_it_works(*connection, 64 * MiB);
}

TEST(AddressSpaceOfOneMapping, IsEnoughForMapped) {
  const Address address = unique_address();
  const auto helper = start_helper(address);
  const auto connection = connect(address, 0, Transport::automatic, soon());
  std::unique_ptr<Arena> arena;
  {
    const LimitedAddressSpace limited(96 * MiB);
    arena = open_arena(*connection, 0, 64 * MiB);
  }
  expect_right(*connection, *arena);
  EXPECT_EQ(connection->transport(), Transport::mapped);
}

/// A line needs some too; whatever is left, there is a line or an error.
TEST_P(AddressSpace, TooSmallForALineIsAnError) {
  const auto helper = start_helper(address);
  bool refused = false, let_in = false;
  for (std::uint64_t more = 0; more <= 64 * MiB; more += 4 * MiB) {
    try {
      const LimitedAddressSpace limited(more);
      const auto connection = connect(address, 0, GetParam(), soon());
      let_in = true;
    } catch (const Error&) {
      refused = true;
    }
  }
  EXPECT_TRUE(refused && let_in);
}

TEST_P(AddressSpace, TooSmallForTheHelpersArenaIsAnErrorAndItServesOn) {
  setenv("PEER_ADDRESS_SPACE", std::to_string(512 * MiB).c_str(), 1);
  const auto helper = start_helper(address);
  unsetenv("PEER_ADDRESS_SPACE");
  const auto connection = connect(address, 0, GetParam(), soon());
  for (int i = 0; i < 2; ++i) {
    expect_no_room(*connection, 1024 * MiB);
    expect_it_works(*connection, 8 * MiB);
  }
}

INSTANTIATE_TEST_SUITE_P(Transport, AddressSpace, testing::Values(Transport::automatic, Transport::put),
                         [](const auto& tested) { return tested.param == Transport::put ? "put" : "automatic"; });

}  // namespace
}  // namespace holdfast::transport::test
