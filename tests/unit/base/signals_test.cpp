#include "base/signals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <holdfast/error.hpp>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

/// What the handlers below were called with; written by them only.
volatile std::sig_atomic_t plain_signal = 0, informed_signal = 0, informed_value = 0;

void plain(int signal) {
  plain_signal = signal;
}
void informed(int signal, siginfo_t* info, void* /*context*/) {
  informed_signal = signal;
  informed_value = info->si_value.sival_int;
}
/// Calls the handler that is under it, as a well-behaved one does.
struct sigaction under_it {};
volatile std::sig_atomic_t chaining_calls = 0;
void chaining(int signal, siginfo_t* info, void* context) {
  chaining_calls = chaining_calls + 1;
  under_it.sa_sigaction(signal, info, context);
}

struct sigaction action_of(int signal) {
  struct sigaction action {};
  EXPECT_EQ(sigaction(signal, nullptr, &action), 0);
  return action;
}
void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ASSERT_EQ(sigaction(signal, &action, nullptr), 0);
}
void set_informed_handler(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction* before = nullptr) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(signal, &action, before), 0);
}

class Signals : public testing::Test {
 protected:
  void SetUp() override {
    for (auto* each : {&plain_signal, &informed_signal, &informed_value, &chaining_calls}) *each = 0;
    set_handler(SIGUSR1, SIG_DFL);
    set_handler(SIGUSR2, SIG_DFL);
  }
  void TearDown() override { SetUp(); }
};

TEST_F(Signals, OneThatArrivesIsSeen) {
  const SignalWatch watch(SIGUSR1), other(SIGUSR2);
  EXPECT_FALSE(watch.seen());
  raise(SIGUSR1);
  EXPECT_TRUE(watch.seen());
  EXPECT_TRUE(watch.seen()) << "it stays seen";
  EXPECT_FALSE(other.seen());
}

TEST_F(Signals, OneInAnotherThreadIsSeen) {
  const SignalWatch watch(SIGUSR1);
  std::thread([] { pthread_kill(pthread_self(), SIGUSR1); }).join();
  EXPECT_TRUE(watch.seen());
}

TEST_F(Signals, WhatWasThereIsPutBack) {
  for (const auto handler : {SIG_DFL, SIG_IGN, &plain}) {
    set_handler(SIGUSR1, handler);
    { const SignalWatch watch(SIGUSR1); }
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, handler);
  }
  set_informed_handler(SIGUSR1, informed);
  { const SignalWatch watch(SIGUSR1); }
  EXPECT_EQ(action_of(SIGUSR1).sa_sigaction, informed);
  EXPECT_NE(action_of(SIGUSR1).sa_flags & SA_SIGINFO, 0);
}

TEST_F(Signals, AnEarlierHandlerIsCalledToo) {
  set_handler(SIGUSR1, plain);
  const SignalWatch watch(SIGUSR1);
  raise(SIGUSR1);
  EXPECT_TRUE(watch.seen());
  EXPECT_EQ(plain_signal, SIGUSR1);
}

TEST_F(Signals, AnEarlierHandlerThatWantsToKnowMoreIsToldIt) {
  set_informed_handler(SIGUSR1, informed);
  const SignalWatch watch(SIGUSR1);
  ASSERT_EQ(sigqueue(getpid(), SIGUSR1, {.sival_int = 42}), 0);
  EXPECT_TRUE(watch.seen());
  EXPECT_EQ(informed_signal, SIGUSR1);
  EXPECT_EQ(informed_value, 42);
}

TEST_F(Signals, OneThatWasIgnoredIsSeen) {
  set_handler(SIGUSR1, SIG_IGN);
  const SignalWatch watch(SIGUSR1);
  raise(SIGUSR1);
  EXPECT_TRUE(watch.seen());
}

TEST_F(Signals, SeveralWatchAtOnceAndTheLastPutsBack) {
  set_handler(SIGUSR1, plain);
  std::vector<SignalWatch> watches;
  for (int i = 0; i < 3; ++i) watches.emplace_back(SIGUSR1);
  raise(SIGUSR1);
  for (const SignalWatch& watch : watches) EXPECT_TRUE(watch.seen());
  const SignalWatch late(SIGUSR1);
  EXPECT_FALSE(late.seen()) << "that was before it";
  watches.clear();
  raise(SIGUSR1);
  EXPECT_TRUE(late.seen());
}

TEST_F(Signals, ANewWatchKnowsNothingOfTheOneBefore) {
  {
    const SignalWatch watch(SIGUSR1);
    raise(SIGUSR1);
  }
  const SignalWatch watch(SIGUSR1);
  EXPECT_FALSE(watch.seen());
  raise(SIGUSR1);
  EXPECT_TRUE(watch.seen());
}

TEST_F(Signals, AHandlerOverOursStaysAndPassesOn) {
  set_handler(SIGUSR1, plain);
  {
    const SignalWatch watch(SIGUSR1);
    set_informed_handler(SIGUSR1, chaining, &under_it);
    raise(SIGUSR1);
    EXPECT_TRUE(watch.seen());
  }
  EXPECT_EQ(action_of(SIGUSR1).sa_sigaction, chaining);
  plain_signal = 0;
  raise(SIGUSR1);
  EXPECT_EQ(plain_signal, SIGUSR1) << "the chain holds without a watch";

  testing::internal::CaptureStderr();
  const SignalWatch later(SIGUSR1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("passes it on"));
  raise(SIGUSR1);
  EXPECT_TRUE(later.seen());
  EXPECT_EQ(chaining_calls, 3) << "once per signal";
  ASSERT_EQ(sigaction(SIGUSR1, &under_it, nullptr), 0);  // what a well-behaved one does at its end
}

TEST_F(Signals, AHandlerOverOursIsToldOfOnce) {
  const SignalWatch watch(SIGUSR1);
  const struct sigaction ours = action_of(SIGUSR1);
  testing::internal::CaptureStderr();
  watch.check();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "ours is there";
  set_handler(SIGUSR1, plain);
  testing::internal::CaptureStderr();
  watch.check();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("passes it on"));
  testing::internal::CaptureStderr();
  watch.check();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  raise(SIGUSR1);
  EXPECT_FALSE(watch.seen()) << "it was taken away";
  ASSERT_EQ(sigaction(SIGUSR1, &ours, nullptr), 0);
}

TEST_F(Signals, OursPutBackByOthersDoesNotPassOnToItself) {
  set_handler(SIGUSR1, plain);
  struct sigaction ours {};
  {
    const SignalWatch watch(SIGUSR1);
    ours = action_of(SIGUSR1);
  }
  ASSERT_EQ(sigaction(SIGUSR1, &ours, nullptr), 0);
  const SignalWatch watch(SIGUSR1);
  raise(SIGUSR1);
  EXPECT_TRUE(watch.seen());
  EXPECT_EQ(plain_signal, SIGUSR1);
}

TEST_F(Signals, AnInterruptedReadIsRestarted) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP()
      << "the thread sanitizer of GCC 12 holds a handler back until read() has returned, which here waits for it";
#endif
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const SignalWatch watch(SIGUSR1);
  const pthread_t reader = pthread_self();
  std::thread interrupting([&] {
    pthread_kill(reader, SIGUSR1);
    while (!watch.seen()) std::this_thread::yield();
    EXPECT_EQ(write(ends[1], "x", 1), 1);
  });
  char byte = 0;
  EXPECT_EQ(read(ends[0], &byte, 1), 1);
  interrupting.join();
  close(ends[0]);
  close(ends[1]);
  EXPECT_NE(action_of(SIGUSR1).sa_flags & SA_RESTART, 0);
}

TEST_F(Signals, WhatIsNoRequestIsRefused) {
  for (const int signal : {0, -1, NSIG, SIGKILL, SIGSTOP, SIGSEGV, SIGABRT}) {
    try {
      const SignalWatch watch(signal);
      ADD_FAILURE() << signal << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.message(), testing::HasSubstr(std::to_string(signal)));
    }
  }
}

}  // namespace
}  // namespace holdfast
