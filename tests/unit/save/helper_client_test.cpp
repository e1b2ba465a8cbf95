// A rank's questions to a helper that answers late, twice, for something else, or not at all.
#include "save/helper_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>

namespace holdfast::save {
namespace {

using namespace transport;

/// Says what the test puts into `incoming`, at once.
class FakeConnection final : public Connection {
 public:
  std::deque<Message> incoming;
  std::function<void(std::uint32_t number, MessageType type)> sent = [](std::uint32_t, MessageType) {};

  [[nodiscard]] int helper_pid() const noexcept override { return 77; }
  [[nodiscard]] Transport transport() const noexcept override { return Transport::mapped; }
  std::uint32_t send(MessageType type, Bytes, Deadline) override {
    sent(++number_, type);
    return number_;
  }
  std::optional<Message> receive(Deadline) override {
    if (incoming.empty()) return std::nullopt;
    Message message = std::move(incoming.front());
    incoming.pop_front();
    return message;
  }
  std::unique_ptr<Arena> map(const ArenaReady&) override { return nullptr; }
  void disconnect() noexcept override {}
  [[nodiscard]] bool await_exit(End, Deadline) noexcept override { return true; }
  void kill_helper() noexcept override {}

  template <class T>
  void answer(const T& message, std::uint32_t about) {
    incoming.push_back({.type = T::type, .number = 1, .about = about, .payload = encode(message)});
  }

 private:
  std::uint32_t number_ = 0;
};

class HelperClientTest : public testing::Test {
 protected:
  static ArenaReady ready(std::uint64_t arena) {
    return {.slot = 1, .bytes = 4096, .arena = arena, .address = 0, .remote_key = {}};
  }
  static Deadline moment() { return Deadline(Seconds(0.05)); }
  /// The helper answers the next question with `arena`, after what it has to say beforehand.
  void answer_next_with(
      std::uint64_t arena, const std::function<void()>& beforehand = [] {}) {
    fake.sent = [this, arena, beforehand](std::uint32_t number, MessageType type) {
      if (type != MessageType::open_arena) return;
      beforehand();
      fake.answer(ready(arena), number);
    };
  }
  /// Asks the first question, which nobody answers in time.
  void ask_in_vain() {
    try {
      static_cast<void>(client.open_arena(1, 4096, moment()));
      ADD_FAILURE() << "nobody answered";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::timeout) << error.what();
    }
  }
  void expect_failure(ErrorCode code) {
    try {
      static_cast<void>(client.open_arena(1, 4096, moment()));
      ADD_FAILURE() << "that is no answer";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
  }

  FakeConnection* connection = new FakeConnection;
  FakeConnection& fake = *connection;
  HelperClient client{std::unique_ptr<Connection>(connection), {.helper_timeout_s = 30, .why_irreplaceable = {}}};
};

TEST_F(HelperClientTest, AnAnswerToAQuestionThatWasGivenUpIsPassedOver) {
  ask_in_vain();
  fake.answer(ready(7), 1);
  answer_next_with(8);
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 8U);
}

TEST_F(HelperClientTest, ALateAnswerMayComeWhileTheNextOneIsAwaited) {
  ask_in_vain();
  answer_next_with(8, [&] { fake.answer(ready(7), 1); });
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 8U);
}

TEST_F(HelperClientTest, ALateRefusalIsNotOfTheNextQuestion) {
  ask_in_vain();
  answer_next_with(8, [&] { fake.answer(Refused{to_record(Error(ErrorCode::out_of_memory, "too large"))}, 1); });
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 8U);
}

TEST_F(HelperClientTest, ALateAnswerAloneIsNone) {
  ask_in_vain();
  fake.answer(ready(7), 1);
  expect_failure(ErrorCode::timeout);
}

TEST_F(HelperClientTest, AnAnswerThatComesTwiceCountsOnce) {
  answer_next_with(7);
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 7U);
  fake.answer(ready(7), 1);
  answer_next_with(8);
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 8U);
}

TEST_F(HelperClientTest, AnAnswerToNoQuestionIsPassedOver) {
  answer_next_with(8, [&] { fake.answer(ready(7), 0); });
  EXPECT_EQ(client.open_arena(1, 4096, moment()).arena, 8U);
}

TEST_F(HelperClientTest, ARefusalIsThrown) {
  fake.sent = [&](std::uint32_t number, MessageType) {
    fake.answer(Refused{to_record(Error(ErrorCode::out_of_memory, "too large"))}, number);
  };
  expect_failure(ErrorCode::out_of_memory);
}

TEST_F(HelperClientTest, AnArenaOfAnotherSlotOrSizeIsRefused) {
  for (const ArenaReady& wrong : {ArenaReady{.slot = 0, .bytes = 4096, .arena = 7, .address = 0, .remote_key = {}},
                                  ArenaReady{.slot = 1, .bytes = 8192, .arena = 7, .address = 0, .remote_key = {}},
                                  ArenaReady{.slot = 1, .bytes = 4096, .arena = 0, .address = 0, .remote_key = {}}}) {
    fake.sent = [&](std::uint32_t number, MessageType) { fake.answer(wrong, number); };
    expect_failure(ErrorCode::communication);
  }
}

TEST_F(HelperClientTest, AnAnswerOfAnotherKindIsRefused) {
  fake.sent = [&](std::uint32_t number, MessageType) { fake.answer(Closed{}, number); };
  expect_failure(ErrorCode::communication);
}

/// Making an arena is no excuse for silence.
TEST(HelperClientTestTerms, AHelperThatAnswersNoPingIsLostWhileItIsAsked) {
  HelperClient client(std::make_unique<FakeConnection>(), {.helper_timeout_s = 0.01, .why_irreplaceable = {}});
  try {
    static_cast<void>(client.open_arena(0, 4096, Deadline(Seconds(20))));
    FAIL() << "nobody answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::helper_lost) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr("77"));
  }
}

}  // namespace
}  // namespace holdfast::save
