// A helper's server among ranks: which answer goes to which question, and what becomes of saves that name a wrong
// arena.
#include "helper/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "settings/settings.hpp"

namespace holdfast::helper {
namespace {

using namespace transport;

struct Sent {
  SessionId session;
  MessageType type;
  std::uint32_t about;
  Bytes payload;
};

/// Lets the test speak as the ranks and as the maker of arenas.
class FakeService final : public transport::Service {
 public:
  explicit FakeService(std::function<void(FakeService&)> play) : play_(std::move(play)) {}

  void run(const Callbacks& callbacks) override {
    callbacks_ = callbacks;
    play_(*this);
  }
  void stop() override {}
  void wake() override {}
  [[nodiscard]] FileDescriptor process_of(SessionId) const override { return {}; }
  void send(SessionId session, MessageType type, const Bytes& payload, std::uint32_t about) override {
    sent.push_back({session, type, about, payload});
  }
  [[nodiscard]] std::uint64_t room() const override { return memory_.size(); }
  void replace_arena(const ArenaWish& wish) override { wishes.push_back(wish); }
  void drop(SessionId session) override { dropped.push_back(session); }

  template <class T>
  void receive(SessionId session, const T& message, std::uint32_t number) {
    callbacks_.received(session, {.type = T::type, .number = number, .about = 0, .payload = encode(message)});
  }
  void make(const ArenaWish& wish) {
    MadeArena made{.number = wish.number, .memory = {}, .ready = {.remote_key = {}}, .error = {}};
    if (wish.bytes != 0) {
      made.memory = std::span(memory_).first(wish.bytes);
      made.ready.bytes = wish.bytes;
      made.ready.arena = wish.number;
    }
    callbacks_.arena_made(made);
  }
  void fail(const ArenaWish& wish) {
    callbacks_.arena_made({.number = wish.number,
                           .memory = {},
                           .ready = {.remote_key = {}},
                           .error = Error(ErrorCode::out_of_memory, "there is no more")});
  }
  [[nodiscard]] const Callbacks& callbacks() const { return callbacks_; }
  std::vector<Sent> take_sent() { return std::exchange(sent, {}); }

  std::vector<Sent> sent;
  std::vector<ArenaWish> wishes;
  std::vector<SessionId> dropped;

 private:
  std::function<void(FakeService&)> play_;
  Callbacks callbacks_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(1 << 16);
};

MATCHER_P3(Says, session, type, about, "") {
  return arg.session == static_cast<SessionId>(session) && arg.type == type &&
         arg.about == static_cast<std::uint32_t>(about);
}

/// Two ranks, sessions 1 and 2, whose directory is open.
class ServerTest : public testing::Test {
 protected:
  void play(const std::function<void(FakeService&, Server&)>& scene) {
    Server* server = nullptr;
    FakeService service([&](FakeService& fake) {
      open(fake, *server);
      scene(fake, *server);
    });
    const mpi::Communicator nobody;
    HeartbeatMonitor peers(nobody, [](Outcome) {});
    const helper::ServeOptions settings;
    Server served(service, jobs, peers, settings);
    server = &served;
    served.run();
  }
  void open(FakeService& fake, Server& server) {
    for (const SessionId id : {1U, 2U}) {
      fake.callbacks().connected(id, {.rank = static_cast<std::int32_t>(id) - 1, .worker_address = {}, .refusal = {}});
      fake.receive(id,
                   Hello{.rank = static_cast<std::int32_t>(id) - 1,
                         .world_size = 2,
                         .helper_ranks = 2,
                         .options = settings::encode(Options{})},
                   10 + id);
    }
    ASSERT_TRUE(std::holds_alternative<OpenJob>(*jobs.try_pop()));
    server.report(Opened{.helpers = 1, .error = {}});
    fake.callbacks().woken();
    EXPECT_THAT(fake.take_sent(),
                testing::ElementsAre(Says(1, MessageType::welcome, 11), Says(2, MessageType::welcome, 12)));
  }
  static void send_plan(FakeService& fake, SessionId id) {
    const plan::RankLayout layout{.rank = static_cast<std::int32_t>(id) - 1, .owned = {}, .pieces = {}};
    fake.receive(id, Plan{.plan = 1, .content = encode(layout)}, 20);
  }
  static void stage(FakeService& fake, SessionId id, std::uint64_t arena) {
    fake.receive(id, Staged{.save = 1, .step = 5, .plan = 1, .arena = arena, .error = {}}, 30);
  }

  Mailbox<Job> jobs;
};

TEST_F(ServerTest, DropsARankWhoseOptionsCannotBeRead) {
  play([](FakeService& fake, Server&) {
    fake.callbacks().connected(3, {.rank = 1, .worker_address = {}, .refusal = {}});
    Bytes options = settings::encode(Options{});
    options.pop_back();
    fake.receive(3, Hello{.rank = 1, .world_size = 2, .helper_ranks = 2, .options = options}, 13);
    EXPECT_THAT(fake.dropped, testing::ElementsAre(3U));
  });
}

TEST_F(ServerTest, AnswersPingsWhileAnArenaIsMade) {
  play([](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.receive(1, Ping{}, 22);
    EXPECT_THAT(fake.take_sent(), testing::ElementsAre(Says(1, MessageType::pong, 0)));
    fake.make(fake.wishes.at(0));
    EXPECT_THAT(fake.take_sent(), testing::ElementsAre(Says(1, MessageType::arena_ready, 21)));
  });
}

TEST_F(ServerTest, AnswersWishesForDifferentSlotsInTheOrderInWhichTheyAreMade) {
  play([](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.receive(1, OpenArena{.slot = 1, .bytes = 8192}, 22);
    fake.make(fake.wishes.at(1));
    fake.fail(fake.wishes.at(0));
    const std::vector<Sent> sent = fake.take_sent();
    ASSERT_THAT(sent, testing::ElementsAre(Says(1, MessageType::arena_ready, 22), Says(1, MessageType::refused, 21)));
    const auto ready = decode<ArenaReady>(sent[0].payload);
    EXPECT_EQ(ready.slot, 1U);
    EXPECT_EQ(ready.bytes, 8192U);
    EXPECT_EQ(decode<Refused>(sent[1].payload).error.rank, 0);
  });
}

/// The rank has given up the first wish; its arena is freed, and no number is used twice.
TEST_F(ServerTest, AnswersOnlyTheLastWishForASlot) {
  play([](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.receive(1, OpenArena{.slot = 0, .bytes = 8192}, 22);
    EXPECT_EQ(fake.wishes.at(1).old, fake.wishes.at(0).number);
    EXPECT_NE(fake.wishes.at(1).number, fake.wishes.at(0).number);
    fake.make(fake.wishes.at(0));
    fake.make(fake.wishes.at(1));
    EXPECT_THAT(fake.take_sent(), testing::ElementsAre(Says(1, MessageType::arena_ready, 22)));
  });
}

TEST_F(ServerTest, AnswersAWishForNoArena) {
  play([](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.make(fake.wishes.at(0));
    fake.receive(1, OpenArena{.slot = 0, .bytes = 0}, 22);
    fake.make(fake.wishes.at(1));
    const std::vector<Sent> sent = fake.take_sent();
    ASSERT_THAT(sent,
                testing::ElementsAre(Says(1, MessageType::arena_ready, 21), Says(1, MessageType::arena_ready, 22)));
    EXPECT_EQ(decode<ArenaReady>(sent[1].payload).arena, 0U);
  });
}

/// The save fails for everybody by the job's error, in the drain's agreement, and nobody is dropped.
TEST_F(ServerTest, FailsASaveThatNamesAnArenaWhichItHasGivenUp) {
  play([this](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.make(fake.wishes.at(0));
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 22);
    fake.make(fake.wishes.at(1));
    for (const SessionId id : {1U, 2U}) send_plan(fake, id);
    stage(fake, 1, fake.wishes.at(0).number);
    stage(fake, 2, 0);
    const auto job = jobs.try_pop();
    ASSERT_TRUE(job);
    const auto& error = std::get<SaveJob>(*job).error;
    ASSERT_TRUE(error);
    EXPECT_EQ(error->context().rank, 0);
    EXPECT_THAT(error->message(), testing::HasSubstr("arena"));
    EXPECT_THAT(fake.dropped, testing::IsEmpty());
  });
}

TEST_F(ServerTest, FailsASaveThatNamesAnArenaWhichIsStillMade) {
  play([this](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    for (const SessionId id : {1U, 2U}) send_plan(fake, id);
    stage(fake, 1, fake.wishes.at(0).number);
    stage(fake, 2, 0);
    EXPECT_TRUE(std::get<SaveJob>(*jobs.try_pop()).error);
  });
}

TEST_F(ServerTest, HandsOverASaveInTheArenaThatItNames) {
  play([this](FakeService& fake, Server&) {
    fake.receive(1, OpenArena{.slot = 0, .bytes = 4096}, 21);
    fake.make(fake.wishes.at(0));
    for (const SessionId id : {1U, 2U}) send_plan(fake, id);
    stage(fake, 1, fake.wishes.at(0).number);
    EXPECT_FALSE(jobs.try_pop()) << "rank 1 is still copying";
    stage(fake, 2, 0);
    const auto job = jobs.try_pop();
    ASSERT_TRUE(job);
    EXPECT_FALSE(std::get<SaveJob>(*job).error);
    EXPECT_NE(std::get<SaveJob>(*job).parts.at(0).arena, nullptr);
  });
}

TEST_F(ServerTest, AnswersByeByItsNumber) {
  play([](FakeService& fake, Server&) {
    fake.receive(2, Bye{}, 41);
    EXPECT_THAT(fake.take_sent(), testing::ElementsAre(Says(2, MessageType::closed, 41)));
  });
}

}  // namespace
}  // namespace holdfast::helper
