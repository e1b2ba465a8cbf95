// Real processes, killed at any moment: the other side notices at once, and goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/error_text.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

using testing::HasSubstr;

class Death : public testing::Test {
 protected:
  const Address address = unique_address();
  const std::unique_ptr<Process> helper = start_helper(address);
};

bool echoes(Connection& connection) {
  connection.send(MessageType::plan, Bytes(1 << 20), soon());
  const auto answer = connection.receive(soon());
  return answer && answer->payload.size() == 1 << 20;
}

void expect_helper_lost(const std::function<void()>& call, pid_t pid) {
  try {
    call();
    ADD_FAILURE() << "the helper is dead";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::helper_lost) << error.what();
    EXPECT_THAT(error.message(), HasSubstr(std::to_string(pid)));
    EXPECT_EQ(error.context().host, host_name());
  }
}

TEST_F(Death, OfTheHelperWakesASleepingReceiver) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const pid_t pid = helper->pid();
  Clock::time_point noticed;
  std::thread receiver([&] {
    expect_helper_lost([&] { static_cast<void>(connection->receive(soon())); }, pid);
    noticed = Clock::now();
  });
  ASSERT_TRUE(helper->says("connected 0"));
  const auto killed = Clock::now();
  helper->kill();
  receiver.join();
  EXPECT_LT(Seconds(noticed - killed).count(), 1.0);
  expect_helper_lost([&] { connection->send(MessageType::plan, {}, soon()); }, pid);
  expect_helper_lost([&] { static_cast<void>(connection->receive(Deadline(Seconds(0)))); }, pid);
  connection->disconnect();
}

TEST_F(Death, OfTheHelperEndsASendUnderWay) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const pid_t pid = helper->pid();
  helper->signal(SIGSTOP);  // so that the message gets stuck
  std::thread sender(
      [&] { expect_helper_lost([&] { connection->send(MessageType::plan, Bytes(8 << 20), soon()); }, pid); });
  EXPECT_FALSE(connection->receive(Deadline(Seconds(0.1))));  // meanwhile, others can use the line
  const Stopwatch watch;
  helper->kill();
  sender.join();
  EXPECT_LT(watch.seconds(), 1.0);
}

TEST_F(Death, OfTheHelperDoesNotLoseWhatItSaidBefore) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  for (int i = 0; i < 3; ++i) connection->send(MessageType::plan, Bytes(100, std::byte(i)), soon());
  connection->send(MessageType::closed, {}, soon());  // the helper leaves: its answers stand in this rank's queue
  ASSERT_TRUE(helper->says("served"));
  const pid_t pid = helper->pid();
  helper->wait();
  for (int i = 0; i < 3; ++i) {
    const auto answer = connection->receive(soon());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->payload, Bytes(100, std::byte(i)));
  }
  expect_helper_lost([&] { static_cast<void>(connection->receive(soon())); }, pid);
}

TEST_F(Death, OfARankIsToldAfterItsLastWord) {
  const auto rank = start_rank(address, 5, "speak-and-die");
  const int status = rank->wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(helper->next_line(), "connected 5");
  EXPECT_EQ(helper->next_line(), "hello from 5");
  EXPECT_EQ(helper->next_line(), "lost 5");
}

/// A rank's child that keeps the lifeline open must not hide its death (data loaders fork).
TEST_F(Death, OfARankShowsEvenIfAChildOfItLivesOn) {
  const auto rank = start_rank(address, 5, "fork-and-idle");
  ASSERT_TRUE(rank->says("ready"));
  const pid_t child = std::stoi(rank->next_line());
  const Stopwatch watch;
  rank->kill();
  EXPECT_TRUE(helper->says("lost 5", 5));
  EXPECT_LT(watch.seconds(), 1.0);
  EXPECT_EQ(::kill(child, SIGKILL), 0) << "the child should have lived until now";
}

class DeathWhile : public Death, public testing::WithParamInterface<std::string> {};

/// Each round kills a rank at another moment of what it does; a bystander is served before and after.
TEST_P(DeathWhile, OfARankLeavesTheOthersServed) {
  const auto bystander = connect(address, 0, Transport::automatic, soon());
  for (int round = 0; round < 20; ++round) {
    const auto rank = start_rank(address, 1, GetParam());
    ASSERT_TRUE(rank->says("ready"));
    std::this_thread::sleep_for(std::chrono::microseconds(700 * round));  // varies the moment; nothing waits for it
    rank->kill();
    ASSERT_TRUE(echoes(*bystander)) << "round " << round;
    ASSERT_TRUE(helper->says("lost 1")) << "round " << round;
  }
}
INSTANTIATE_TEST_SUITE_P(It, DeathWhile, testing::Values("Idles", "FloodsSmall", "FloodsLarge"),
                         [](const auto& tested) { return tested.param; });

TEST_F(Death, OfARankWithAStuckAnswerLeavesTheOthersServed) {
  const auto rank = start_rank(address, 1, "ask-and-idle");  // never takes the 8 MiB that it asked for
  ASSERT_TRUE(rank->says("ready"));
  const auto bystander = connect(address, 0, Transport::automatic, soon());
  EXPECT_TRUE(echoes(*bystander));
  rank->kill();
  EXPECT_TRUE(helper->says("lost 1"));
  EXPECT_TRUE(echoes(*bystander));
}

TEST_F(Death, EightRanksAtOnceAreServed) {
  std::vector<std::unique_ptr<Process>> ranks;
  for (int rank = 0; rank < 8; ++rank) ranks.push_back(start_rank(address, rank, "echo"));
  for (const auto& rank : ranks) EXPECT_EQ(rank->wait(), 0);
}

/// Whoever is dropped sees the end of its lifeline, and the helper hears no more of it.
TEST_F(Death, ADroppedRankIsCutOff) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  connection->send(MessageType::refused, {}, soon());
  expect_helper_lost([&] { static_cast<void>(connection->receive(soon())); }, helper->pid());
  const auto other = connect(address, 1, Transport::automatic, soon());
  ASSERT_TRUE(echoes(*other));
  EXPECT_EQ(helper->next_line(), "connected 0");
  EXPECT_EQ(helper->next_line(), "connected 1");
}

}  // namespace
}  // namespace holdfast::transport::test
