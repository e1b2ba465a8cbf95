// Trains on a GPU with saves that overlap the computing, meets faults and goes on: what the LibTorch example does,
// without it.
#include <fmt/format.h>
#include <mpi.h>

#include <chrono>
#include <csignal>
#include <holdfast/checkpointer.hpp>
#include <thread>
#include <utility>

#include "trainer.hpp"

namespace train_gpu {
namespace {

using train::Group;
using train::Options;

/// The run's checkpoints. A save that fails is reported and training goes on; all calls are collective.
class Checkpoints {
 public:
  Checkpoints(const Group& group, const Options& options, Trainer& trainer)
      : group_(group),
        trainer_(trainer),
        checkpointer_(
            group.comm(),
            {.directory = options.directory, .keep_last = options.keep, .preemption_signals = {SIGUSR1, SIGTERM}}) {
    trainer.describe(state_);
    checkpointer_.warm_up(state_);
  }

  holdfast::Checkpointer& checkpointer() { return checkpointer_; }
  [[nodiscard]] bool has_it() const { return trainer_.progress().epoch == 0 || newest_ == trainer_.progress().epoch; }

  /// Returns when the copies are enqueued.
  void save() {
    wait();
    newest_ = trainer_.progress().epoch;
    saving_ = checkpointer_.async_save(newest_, state_, {.overlap_staging = true, .stream = trainer_.stream()});
  }
  /// Before the parameters change: the stream waits for the copies, the program does not.
  void hold_stream() {
    if (saving_.valid()) saving_.wait_staged(trainer_.stream());
  }
  void wait() {
    if (!saving_.valid()) return;
    const auto save = std::exchange(saving_, {});
    try {
      stats_ = save.wait();
      saved_ = true;
    } catch (const holdfast::Error& error) {
      saved_ = false;
      group_.say(fmt::format("save of epoch {} failed: {}", save.step(), error.what()));
    }
  }
  holdfast::LoadReport load() {
    const auto report = checkpointer_.load(state_, {.stream = trainer_.stream()});
    newest_ = report.step;
    for (const auto& skipped : report.skipped) group_.say("passed over: " + skipped);
    return report;
  }
  /// Is the newest state saved?
  bool close() {
    wait();
    checkpointer_.close();
    if (stats_.step >= 0)
      group_.say(fmt::format("last save: {:.1f} MB, blocked for {:.3f} ms, staged in {:.3f} ms, committed in {:.3f} ms",
                             static_cast<double>(stats_.bytes) / 1e6, stats_.blocked_s * 1e3, stats_.stage_s * 1e3,
                             stats_.commit_s * 1e3));
    return saved_;
  }

 private:
  Group group_;
  Trainer& trainer_;
  holdfast::StateDict state_;
  holdfast::Checkpointer checkpointer_;
  holdfast::SaveFuture saving_;
  holdfast::SaveStats stats_;
  std::int64_t newest_ = -1;
  bool saved_ = true;
};

/// False if there are checkpoints but nobody said --resume.
bool begin(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  const auto latest = checkpoints.checkpointer().latest();
  if (!latest) return true;
  if (!options.resume) {
    group.say(
        fmt::format("{} holds checkpoints up to epoch {}: say --resume to go on from there, or take another directory",
                    options.directory.string(), *latest));
    return false;
  }
  const auto report = checkpoints.load();
  group.say(fmt::format("resumed from step {}, saved by {} ranks, on {} ranks: epoch {} is next", report.step,
                        report.saved_by_ranks, group.size(), trainer.progress().epoch + 1));
  return true;
}

/// What every rank does after a fault: meet the others, let the last save finish, load in place.
void recover(const Group& group, const InjectedFault& fault, Trainer& trainer, Checkpoints& checkpoints) {
  group.say(fmt::format("fault injected: {}", fault.what()));
  group.barrier();
  checkpoints.wait();
  if (checkpoints.checkpointer().latest()) {
    const auto report = checkpoints.load();
    group.say(
        fmt::format("fault survived: loaded step {}, epoch {} is next", report.step, trainer.progress().epoch + 1));
  } else {
    trainer.start_over();
    group.say("fault survived: nothing was saved yet, epoch 1 is next");
  }
}

bool due(std::int64_t epoch, std::int64_t every) {
  return every > 0 && epoch % every == 0;
}

/// True if somebody asked for the end before the last epoch.
bool train_all(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  const Progress& progress = trainer.progress();
  std::int64_t last_fault = 0;  // an epoch that comes again after a reload has no second one
  for (;;) {
    const auto asked = checkpoints.checkpointer().requests();
    const bool finished = progress.epoch >= options.epochs;
    const bool wanted = finished || asked.stop || due(progress.epoch, options.save_every);
    if (asked.save || (wanted && !checkpoints.has_it())) checkpoints.save();
    if (finished || asked.stop) return !finished;
    const auto epoch = progress.epoch + 1;
    const bool fault = due(epoch, options.fault_every) && epoch > last_fault;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.epoch_seconds);
    try {
      trainer.run_epoch(fault, [&] { checkpoints.hold_stream(); });
      std::this_thread::sleep_until(end);
      if (group.rank() == 0) train::screen::epoch(epoch, options.epochs, progress.loss);
    } catch (const InjectedFault& injected) {
      last_fault = epoch;
      recover(group, injected, trainer, checkpoints);
    }
  }
}

int run(const Group& group, const Options& options) {
  if (options.terminal) train::screen::use_terminal();
  Trainer trainer(group, options);
  Checkpoints checkpoints(group, options, trainer);
  if (!begin(group, options, trainer, checkpoints)) {
    checkpoints.close();
    return train::wrong_use;
  }
  const bool ended_early = train_all(group, options, trainer, checkpoints);
  const bool saved = checkpoints.close();
  train::screen::end();
  if (!saved) return EXIT_FAILURE;
  if (!ended_early) return EXIT_SUCCESS;
  group.say(fmt::format("preempted: epoch {} is committed; start again with --resume", trainer.progress().epoch));
  return train::come_again;
}

/// An Error of Holdfast comes on all ranks, which can then leave in order; anything else may be this rank's alone.
int run_or_explain(const Group& world, int argc, char** argv) {
  try {
    Options options;
    if (const auto exit = train::parse_command_line(argc, argv, world.rank() == 0, options)) return exit->status;
    const MPI_Comm training = options.reserve_helpers ? holdfast::reserve_helper_ranks(world.comm()) : world.comm();
    return training == MPI_COMM_NULL ? EXIT_SUCCESS : run(Group(training), options);
  } catch (const holdfast::Error& error) {
    if (world.rank() == 0) fmt::print(stderr, "train_gpu: {}\n", error.what());
    return EXIT_FAILURE;
  } catch (const std::exception& error) {
    fmt::print(stderr, "train_gpu: rank {}: {}\n", world.rank(), error.what());
    MPI_Abort(world.comm(), EXIT_FAILURE);
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace train_gpu

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int status = train_gpu::run_or_explain(train::Group(MPI_COMM_WORLD), argc, argv);
  MPI_Finalize();
  return status;
}
