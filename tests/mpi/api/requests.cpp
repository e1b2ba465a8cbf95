// What somebody asks the program for while it runs: a signal on any one rank, and files in the directory.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "base/clock.hpp"
#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

class RequestsOfSomebody : public testing::Test {
 protected:
  RequestsOfSomebody() { state_.add("value", value_); }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory shared_;
  const fs::path dir_ = shared_.path();
  std::int64_t value_ = 0;
  StateDict state_;

  [[nodiscard]] Options watching(bool read_only = false) const {
    return {.directory = dir_, .read_only = read_only, .preemption_signals = {SIGUSR1, SIGTERM}};
  }
  void put(const char* name) const {
    if (rank_ == 0) std::ofstream(dir_ / name) << "please";
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void remove(const char* name) const {
    if (rank_ == 0) fs::remove(dir_ / name);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  /// There is no more than one look per second, so what a file asks for may come a little later.
  static Requests asked_in_the_end(Checkpointer& checkpointer, bool Requests::*what) {
    const Deadline deadline(Seconds(20));
    Requests asked = checkpointer.requests();
    while (!(asked.*what) && all_true(MPI_COMM_WORLD, !deadline.over())) asked = checkpointer.requests();
    EXPECT_TRUE(asked.*what) << "not asked within 20 s";
    return asked;
  }
  /// Asks until rank 0 has surely looked once more: `halt`, put now, is found by a look that comes after all others.
  Requests asked_after_one_more_look(Checkpointer& checkpointer) const {
    put("halt");
    return asked_in_the_end(checkpointer, &Requests::halt);
  }
};

void (*handler_of(int signal))(int) {
  struct sigaction action {};
  EXPECT_EQ(sigaction(signal, nullptr, &action), 0);
  return action.sa_handler;
}

TEST_F(RequestsOfSomebody, NobodyAsksForAnything) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching(true));
  const Requests asked = checkpointer.requests();
  EXPECT_FALSE(asked.save || asked.stop || asked.halt);
  EXPECT_FALSE(checkpointer.preempted());
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, WithoutTheOptionNoHandlerIsInstalled) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
  EXPECT_EQ(handler_of(SIGUSR1), SIG_DFL);
  EXPECT_EQ(handler_of(SIGTERM), SIG_DFL);
  EXPECT_FALSE(checkpointer.preempted());
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, ASignalOnAnyOneRankStopsAll) {
  for (int reached = 0; reached < ranks_; ++reached) {
    for (const int signal : {SIGUSR1, SIGTERM}) {
      Checkpointer checkpointer(MPI_COMM_WORLD, watching(true));
      EXPECT_FALSE(checkpointer.preempted());
      MPI_Barrier(MPI_COMM_WORLD);  // the signal has to come after all have asked
      if (rank_ == reached) raise(signal);
      const Requests asked = checkpointer.requests();
      EXPECT_TRUE(asked.stop) << "signal " << signal << " on rank " << reached;
      EXPECT_FALSE(asked.save || asked.halt);
      EXPECT_TRUE(checkpointer.preempted()) << "it stays";
      checkpointer.close();
      EXPECT_EQ(handler_of(signal), SIG_DFL) << "close() puts back what was there";
    }
  }
}

TEST_F(RequestsOfSomebody, AfterTheSignalTheLastSaveIsCommitted) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching());
  checkpointer.async_save(1, state_).wait();
  if (rank_ == ranks_ - 1) raise(SIGTERM);
  EXPECT_TRUE(checkpointer.preempted());
  EXPECT_EQ(checkpointer.async_save(2, state_).wait().step, 2);
  EXPECT_TRUE(checkpointer.preempted()) << "a save does not end it";
  checkpointer.close();
  EXPECT_EQ(handler_of(SIGTERM), SIG_DFL);
}

TEST_F(RequestsOfSomebody, AHandlerOverOursIsToldOfOnce) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching(true));
  struct sigaction ours {};
  ASSERT_EQ(sigaction(SIGUSR1, nullptr, &ours), 0);
  struct sigaction theirs {};
  theirs.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &theirs, nullptr), 0);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) static_cast<void>(checkpointer.requests());
  const std::string log = testing::internal::GetCapturedStderr(), words = "passes it on";
  EXPECT_NE(log.find(words), log.npos) << log;
  EXPECT_EQ(log.find(words), log.rfind(words)) << log;
  ASSERT_EQ(sigaction(SIGUSR1, &ours, nullptr), 0);
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, AllCheckpointersHearOfASignal) {
  Checkpointer first(MPI_COMM_WORLD, watching(true)), second(MPI_COMM_WORLD, watching(true)),
      deaf(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
  first.close();
  Checkpointer third(MPI_COMM_WORLD, watching(true));
  if (rank_ == 0) raise(SIGUSR1);
  EXPECT_TRUE(second.preempted());
  EXPECT_TRUE(third.preempted());
  EXPECT_FALSE(deaf.preempted());
  for (Checkpointer* each : {&second, &third, &deaf}) each->close();
}

TEST_F(RequestsOfSomebody, SaveNowIsKeptUntilASaveIsTaken) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching());
  put("save-now");
  const Requests asked = asked_in_the_end(checkpointer, &Requests::save);
  EXPECT_FALSE(asked.stop || asked.halt);
  EXPECT_FALSE(fs::exists(dir_ / "save-now")) << "taken up, so taken away";
  EXPECT_FALSE(checkpointer.preempted());
  EXPECT_TRUE(checkpointer.requests().save) << "preempted() must not lose it";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {}, [&] { checkpointer.async_save(-1, state_); });
  EXPECT_TRUE(checkpointer.requests().save) << "nothing was saved";
  checkpointer.async_save(7, state_).wait();
  EXPECT_FALSE(checkpointer.requests().save);
  EXPECT_FALSE(asked_after_one_more_look(checkpointer).save) << "asked for once";
  EXPECT_EQ(checkpointer.latest(), 7);
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, ASaveThatIsSkippedDoesNotServeTheRequest) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching());
  const auto signal_helper = [&](int signal) {
    MPI_Barrier(MPI_COMM_WORLD);  // the helper has answered all
    if (rank_ == 0) kill(helpers_of_this_job().at(0), signal);
    MPI_Barrier(MPI_COMM_WORLD);
  };
  checkpointer.warm_up(state_);
  signal_helper(SIGSTOP);  // so that both arenas stay in use
  checkpointer.async_save(3, state_);
  checkpointer.async_save(4, state_);
  put("save-now");
  asked_in_the_end(checkpointer, &Requests::save);
  EXPECT_TRUE(checkpointer.async_save(5, state_, {.when_busy = WhenBusy::skip}).skipped());
  EXPECT_TRUE(checkpointer.requests().save);
  signal_helper(SIGCONT);
  checkpointer.async_save(6, state_).wait();
  EXPECT_FALSE(checkpointer.requests().save);
  checkpointer.close();
}

/// A directory of that name cannot be removed by unlink(2), whoever the user is.
TEST_F(RequestsOfSomebody, ASaveNowThatCannotBeRemovedIsTakenUpOnce) {
  Checkpointer checkpointer(MPI_COMM_WORLD, watching());
  if (rank_ == 0) fs::create_directory(dir_ / "save-now");
  MPI_Barrier(MPI_COMM_WORLD);
  asked_in_the_end(checkpointer, &Requests::save);
  checkpointer.async_save(1, state_).wait();
  EXPECT_FALSE(asked_after_one_more_look(checkpointer).save);
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, HaltStopsAndStays) {
  put("halt");
  for (const bool read_only : {true, false}) {
    Checkpointer checkpointer(MPI_COMM_WORLD, watching(read_only));
    const Requests asked = checkpointer.requests();
    EXPECT_TRUE(asked.stop && asked.halt) << "the first look is at once";
    EXPECT_FALSE(asked.save);
    EXPECT_TRUE(checkpointer.preempted());
    checkpointer.close();
  }
  Checkpointer checkpointer(MPI_COMM_WORLD, watching(true));
  EXPECT_TRUE(checkpointer.preempted());
  remove("halt");
  EXPECT_TRUE(checkpointer.requests().halt) << "what was asked is not taken back";
  checkpointer.close();
}

TEST_F(RequestsOfSomebody, AReaderIsStoppedButLeavesSaveNowToTheRunThatSaves) {
  Checkpointer reader(MPI_COMM_WORLD, watching(true));
  put("save-now");
  const Requests asked = asked_after_one_more_look(reader);
  EXPECT_TRUE(asked.stop && asked.halt);
  EXPECT_FALSE(asked.save);
  EXPECT_TRUE(fs::exists(dir_ / "save-now"));
  Checkpointer writer(MPI_COMM_WORLD, watching());
  EXPECT_TRUE(writer.requests().save);
  writer.close();
  reader.close();
}

TEST_F(RequestsOfSomebody, ErrorsAreThoseOfAllRanks) {
  Options options = watching(true);
  options.preemption_signals = {SIGUSR1, rank_ == 0 ? SIGTERM : SIGUSR2};
  if (ranks_ > 1)
    expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"Options"},
                      [&] { Checkpointer(MPI_COMM_WORLD, options); });
  options.preemption_signals = {SIGUSR1, SIGKILL};
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"9"}, [&] { Checkpointer(MPI_COMM_WORLD, options); });
  EXPECT_EQ(handler_of(SIGUSR1), SIG_DFL) << "what failed leaves nothing behind";
  Checkpointer checkpointer(MPI_COMM_WORLD, watching(true));
  checkpointer.close();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state, {"closed"},
                    [&] { static_cast<void>(checkpointer.requests()); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state, {"closed"},
                    [&] { static_cast<void>(checkpointer.preempted()); });
}

}  // namespace
}  // namespace holdfast::test
