// The example trainer: a network split over MPI ranks that saves while it trains, meets faults and goes on.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <mpi.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <holdfast/catalog.hpp>
#include <optional>
#include <thread>

#include "checkpoint.hpp"
#include "collectives.hpp"
#include "options.hpp"
#include "screen.hpp"
#include "trainer.hpp"

namespace train {
namespace {

/// How training ends without an error.
enum class End {
  finished,   ///< the last epoch is done
  halted,     ///< by the file `halt`
  preempted,  ///< by a signal
};

/// The same ranks and seed give the same bits.
void make_deterministic() {
  at::set_num_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, false);
}

/// Why the run starts from nothing. For rank 0 alone, so it must not throw.
std::string why_nothing(const std::string& directory) try {
  const auto count = holdfast::list_checkpoints(directory).size();
  if (count == 0) return "there is no checkpoint in " + directory;
  return fmt::format("no checkpoint in {} can be read, of {} that are there (see holdfast ls)", directory, count);
} catch (const holdfast::Error& error) {
  return error.what();
}

/// Goes on from the newest checkpoint; false if there is one but nobody said --resume.
bool begin(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  const auto latest = checkpoints.latest();
  if (!latest) {
    if (group.rank() == 0) group.say("starting from nothing: " + why_nothing(options.directory.string()));
    return true;
  }
  if (!options.resume) {
    group.say(
        fmt::format("{} holds checkpoints up to epoch {}: say --resume to go on from there, or take another directory",
                    options.directory.string(), *latest));
    return false;
  }
  const auto report = checkpoints.load();
  group.say(fmt::format("resumed from step {}, saved by {} ranks, on {} ranks: epoch {} is next", report.step,
                        report.saved_by_ranks, group.size(), trainer.progress().epoch + 1),
            screen::Tone::good);
  return true;
}

/// What every rank does after a fault: meet the others, let the last save finish, load in place.
void recover(const Group& group, const InjectedFault& fault, Trainer& trainer, Checkpoints& checkpoints) {
  group.say(fmt::format("fault injected: {}", fault.what()), screen::Tone::bad);
  group.barrier();
  checkpoints.wait();
  if (checkpoints.latest()) {
    const auto report = checkpoints.load();
    group.say(
        fmt::format("fault survived: loaded step {}, epoch {} is next", report.step, trainer.progress().epoch + 1),
        screen::Tone::good);
  } else {
    trainer.start_over();
    group.say("fault survived: nothing was saved yet, epoch 1 is next", screen::Tone::good);
  }
}

bool due(std::int64_t epoch, std::int64_t every) {
  return every > 0 && epoch % every == 0;
}

/// Runs the trainer's next epoch, in no less than the shortest time that the options allow.
void run_epoch(const Options& options, Trainer& trainer, bool fault) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.epoch_seconds);
  trainer.run_epoch(fault);
  std::this_thread::sleep_until(end);
}

/// Between two epochs: saves if it is time to, or somebody asked for it. How the run ends, if it ends here; one that
/// has reached its last epoch is finished, whatever was asked.
std::optional<End> between_epochs(const Group& group, const Options& options, std::int64_t epoch,
                                  Checkpoints& checkpoints) {
  checkpoints.look();
  const auto asked = checkpoints.requests();
  const bool finished = epoch >= options.epochs;
  if (asked.save) group.say(fmt::format("saved on request: epoch {}", epoch));
  const bool wanted = finished || asked.stop || due(epoch, options.save_every);
  if (asked.save || (wanted && !checkpoints.has_it())) checkpoints.save();
  if (finished) return End::finished;
  if (asked.halt) return End::halted;
  if (asked.stop) return End::preempted;
  return std::nullopt;
}

End train_all(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  auto& progress = trainer.progress();
  std::int64_t last_fault = 0;  // an epoch that comes again after a reload has no second one
  for (;;) {
    if (const auto end = between_epochs(group, options, progress.epoch, checkpoints)) return *end;
    const auto epoch = progress.epoch + 1;
    const bool fault = due(epoch, options.fault_every) && epoch > last_fault;
    try {
      run_epoch(options, trainer, fault);
      if (group.rank() == 0) screen::epoch(epoch, options.epochs, progress.loss);
    } catch (const InjectedFault& injected) {
      last_fault = epoch;
      recover(group, injected, trainer, checkpoints);
    }
  }
}

/// What the run has come to is decided. A second signal, such as the one at the end of the grace time, must not change
/// it.
void ignore_further_signals() {
  for (const int signal : {SIGUSR1, SIGTERM}) std::signal(signal, SIG_IGN);
}

/// The last word of a run whose newest state is saved, and its exit status.
int explain(const Group& group, const Options& options, End end, std::int64_t epoch) {
  const auto state =
      epoch > 0 ? fmt::format("epoch {} is committed", epoch) : std::string("there was nothing to save yet");
  switch (end) {
    case End::finished:
      return EXIT_SUCCESS;
    case End::halted:
      group.say(fmt::format("halted on request: {}; remove {} before the next start", state,
                            (options.directory / "halt").string()));
      return EXIT_SUCCESS;
    case End::preempted:
      group.say(fmt::format("preempted: {}; start again with --resume", state));
      return come_again;
  }
  return EXIT_FAILURE;
}

/// At the end of the output, or in a file of its own.
void write_summary(const Group& group, const Options& options, const Summary& summary) {
  const auto text = summary.text();
  if (group.rank() != 0 || text.empty()) return;
  if (options.summary.empty() || !(std::ofstream(options.summary) << text << '\n')) group.say(text);
}

int run(const Group& group, const Options& options) {
  if (options.terminal) screen::use_terminal();
  make_deterministic();
  Trainer trainer(group, options);
  Checkpoints checkpoints(group, options, trainer);
  std::optional<End> end;
  if (begin(group, options, trainer, checkpoints)) end = train_all(group, options, trainer, checkpoints);
  ignore_further_signals();
  const bool saved = checkpoints.close();
  screen::end();
  write_summary(group, options, checkpoints.summary());
  if (!end) return wrong_use;
  return saved ? explain(group, options, *end, trainer.progress().epoch) : EXIT_FAILURE;
}

/// The ranks that train; MPI_COMM_NULL on one that was a helper instead, after the others have ended. Collective.
MPI_Comm training_ranks(const Group& world, const Options& options) {
  return options.reserve_helpers ? holdfast::reserve_helper_ranks(world.comm()) : world.comm();
}

int status_after(const holdfast::Error& error) {
  switch (error.code()) {
    case holdfast::ErrorCode::in_use:
      return in_use;
    case holdfast::ErrorCode::invalid_argument:
    case holdfast::ErrorCode::not_found:
    case holdfast::ErrorCode::mismatch:
    case holdfast::ErrorCode::unsupported_version:
      return wrong_use;
    default:
      return EXIT_FAILURE;
  }
}

/// An Error of Holdfast comes on all ranks, which can then leave in order; anything else may be this rank's alone.
int run_or_explain(const Group& world, int argc, char** argv) {
  try {
    Options options;
    if (const auto exit = parse_command_line(argc, argv, world.rank() == 0, options)) return exit->status;
    const auto training = training_ranks(world, options);
    return training == MPI_COMM_NULL ? EXIT_SUCCESS : run(Group(training), options);
  } catch (const holdfast::Error& error) {
    if (world.rank() == 0) fmt::print(stderr, "train: {}\n", error.what());
    return status_after(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "train: rank {}: {}\n", world.rank(), error.what());
    MPI_Abort(world.comm(), EXIT_FAILURE);
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace train

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int status = train::run_or_explain(train::Group(MPI_COMM_WORLD), argc, argv);
  MPI_Finalize();
  return status;
}
