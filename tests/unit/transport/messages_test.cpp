// Messages and arenas between this process, a rank, and a helper process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <numeric>
#include <thread>

#include "base/checksum.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

class Messages : public testing::Test {
 protected:
  const Address address = unique_address();
  const std::unique_ptr<Process> helper = start_helper(address);
  const std::unique_ptr<Connection> connection = connect(address, 3, Transport::automatic, soon());
};

/// Bytes that differ from place to place and from seed to seed.
Bytes pattern(std::size_t bytes, std::uint32_t seed) {
  Bytes content(bytes);
  std::uint32_t value = seed;
  for (std::byte& byte : content) byte = static_cast<std::byte>((value = value * 1664525 + 1013904223) >> 24);
  return content;
}

Bytes echo(Connection& connection, const Bytes& payload) {
  connection.send(MessageType::plan, payload, soon());
  const auto answer = connection.receive(soon());
  if (!answer || answer->type != MessageType::plan) throw std::runtime_error("no echo");
  return answer->payload;
}

TEST_F(Messages, IntroducesTheHelperByItsPid) {
  EXPECT_EQ(connection->helper_pid(), helper->pid());
  EXPECT_TRUE(helper->says("connected 3"));
}

TEST_F(Messages, ComeBackAsTheyWereWhateverTheirSize) {
  for (const std::size_t bytes : {0UL, 1UL, 100UL, 8'000UL, 8'200UL, 9'000UL, 65'536UL, 1UL << 20, 8UL << 20}) {
    const Bytes payload = pattern(bytes, 7);
    EXPECT_EQ(echo(*connection, payload), payload) << bytes << " bytes";
  }
}

TEST_F(Messages, ArriveInOrderWhateverTheirSizes) {
  const std::vector<std::size_t> sizes = {3 << 20, 0, 5, 40'000, 8'191, 1, 700'000, 16, 2 << 20, 3};
  for (std::uint32_t i = 0; i < sizes.size(); ++i) connection->send(MessageType::plan, pattern(sizes[i], i), soon());
  for (std::uint32_t i = 0; i < sizes.size(); ++i) {
    const auto answer = connection->receive(soon());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payload, pattern(sizes[i], i)) << "message " << i;
  }
}

TEST_F(Messages, ReceiveGivesUpAtItsDeadline) {
  const Stopwatch watch;
  EXPECT_FALSE(connection->receive(Deadline(Seconds(0.2))));
  EXPECT_GE(watch.seconds(), 0.19);
  EXPECT_LT(watch.seconds(), 2.0);
}

TEST_F(Messages, AThreadSendsWhileAnotherSleepsInReceive) {
  std::optional<Message> answer;
  std::thread receiver([&] { answer = connection->receive(soon()); });
  const Bytes payload = pattern(4 << 20, 5);
  connection->send(MessageType::plan, payload,
                   soon());  // whenever the receiver falls asleep, this must not wait for it
  receiver.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payload, payload);
}

TEST_F(Messages, ManyThreadsShareALine) {
  constexpr int senders = 4, each = 100;
  std::vector<std::thread> threads;
  for (int t = 0; t < senders; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i)
        connection->send(MessageType::plan, pattern(static_cast<std::size_t>(i) * 500, 1), soon());
    });
  std::atomic<int> received = 0;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < senders * each / 2; ++i) received += connection->receive(soon()).has_value() ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(received, senders * each);
}

TEST_F(Messages, ASendThatAStoppedHelperDoesNotTakeEndsAtItsDeadline) {
  helper->signal(SIGSTOP);
  const Stopwatch watch;
  try {
    connection->send(MessageType::plan, Bytes(8 << 20), Deadline(Seconds(0.3)));
    FAIL() << "the helper's queue cannot hold this";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::timeout) << error.what();
  }
  EXPECT_LT(watch.seconds(), 3.0);
  helper->signal(SIGCONT);
  EXPECT_EQ(connection->receive(soon())->payload.size(), 8U << 20);  // late, but whole
}

TEST_F(Messages, CallsAfterDisconnectAreErrors) {
  connection->disconnect();
  EXPECT_TRUE(helper->says("lost 3"));
  EXPECT_THROW(connection->send(MessageType::hello, {}, soon()), Error);
  EXPECT_THROW(static_cast<void>(connection->receive(soon())), Error);
}

TEST_F(Messages, DisconnectWakesASleepingReceiver) {
  ErrorCode code{};
  std::thread receiver([&] {
    try {
      static_cast<void>(connection->receive(soon()));
    } catch (const Error& error) {
      code = error.code();
    }
  });
  connection->disconnect();
  receiver.join();
  EXPECT_EQ(code, ErrorCode::invalid_state);
}

class Arenas : public testing::TestWithParam<Transport> {
 protected:
  const Address address = unique_address();
  const std::unique_ptr<Process> helper = start_helper(address);
  const std::unique_ptr<Connection> connection = connect(address, 0, GetParam(), soon());

  /// What the helper says is in the slot's arena.
  std::uint64_t helpers_checksum(std::uint32_t slot) {
    send(*connection, Staged{.arena = slot + 1, .error = {}}, soon());
    const auto answer = connection->receive(soon());
    return answer ? decode<Done>(answer->payload).bytes : 0;
  }
};

TEST_P(Arenas, DeliverTheSameBytes) {
  constexpr std::size_t bytes = (40 << 20) + 13;
  const auto arena = open_arena(*connection, 0, bytes);
  ASSERT_EQ(arena->memory().size(), bytes);
  EXPECT_EQ(connection->transport(), GetParam());
  for (const std::uint32_t seed : {1U, 2U}) {
    const Bytes content = pattern(bytes, seed);
    std::copy(content.begin(), content.end(), arena->memory().begin());
    arena->deliver(bytes, soon());
    EXPECT_EQ(helpers_checksum(0), checksum(content));
  }
}

TEST_P(Arenas, OfAllSlotsAreApart) {
  std::vector<std::unique_ptr<Arena>> arenas;
  for (std::uint32_t slot = 0; slot < 3; ++slot) arenas.push_back(open_arena(*connection, slot, 10'000));
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    const Bytes content = pattern(10'000, slot);
    std::copy(content.begin(), content.end(), arenas[slot]->memory().begin());
    arenas[slot]->deliver(10'000, soon());
  }
  for (std::uint32_t slot = 0; slot < 3; ++slot) EXPECT_EQ(helpers_checksum(slot), checksum(pattern(10'000, slot)));
}

TEST_P(Arenas, OfNoBytesAreNone) {
  const std::uint32_t question = send(*connection, OpenArena{.slot = 0, .bytes = 0}, soon());
  const auto answer = connection->receive(soon());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->about, question);
  const auto ready = decode<ArenaReady>(answer->payload);
  EXPECT_EQ(ready.bytes, 0U);
  EXPECT_THROW(static_cast<void>(connection->map(ready)), Error);
}

/// Making one takes as long as its pages take; an answer needs none. Where cores are few, the helper may be late for
/// all that.
TEST_P(Arenas, AreMadeWhileTheHelperAnswers) {
  for (int round = 0; round < 20; ++round) {
    const std::uint32_t wish = send(*connection, OpenArena{.slot = 0, .bytes = 256 << 20}, soon());
    const std::uint32_t question = connection->send(MessageType::plan, Bytes(10), soon());
    const auto first = connection->receive(soon()), second = connection->receive(soon());
    ASSERT_TRUE(first && second);
    if (first->about != question) continue;
    EXPECT_EQ(second->about, wish);
    return;
  }
  FAIL() << "no question was answered before the arena was made";
}

TEST_P(Arenas, RefuseToDeliverMoreThanTheyHold) {
  const auto arena = open_arena(*connection, 0, 4096);
  EXPECT_THROW(arena->deliver(4097, soon()), Error);
}

TEST_P(Arenas, StayValidAfterTheHelperDied) {
  const auto arena = open_arena(*connection, 0, 1 << 20);
  helper->kill();
  std::fill(arena->memory().begin(), arena->memory().end(), std::byte{1});
  connection->disconnect();
}

INSTANTIATE_TEST_SUITE_P(Transport, Arenas, testing::Values(Transport::mapped, Transport::put),
                         [](const auto& tested) { return tested.param == Transport::mapped ? "mapped" : "put"; });

}  // namespace
}  // namespace holdfast::transport::test
