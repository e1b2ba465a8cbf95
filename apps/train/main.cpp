// The example trainer: a network split over MPI ranks that saves while it trains, meets faults and goes on.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <mpi.h>

#include <cstdlib>

#include "checkpoint.hpp"
#include "collectives.hpp"
#include "options.hpp"
#include "trainer.hpp"

namespace train {
namespace {

/// The same ranks and seed give the same bits.
void make_deterministic() {
  at::set_num_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, false);
}

/// Goes on from the newest checkpoint; false if there is one but nobody said --resume.
bool begin(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  const auto latest = checkpoints.latest();
  if (!latest) return true;
  if (!options.resume) {
    group.say(fmt::format("{} holds checkpoints up to epoch {}: say --resume to go on from there, or take another directory",
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
  if (checkpoints.latest()) {
    const auto report = checkpoints.load();
    group.say(fmt::format("fault survived: loaded step {}, epoch {} is next", report.step, trainer.progress().epoch + 1));
  } else {
    trainer.start_over();
    group.say("fault survived: nothing was saved yet, epoch 1 is next");
  }
}

void train_all(const Group& group, const Options& options, Trainer& trainer, Checkpoints& checkpoints) {
  auto& progress = trainer.progress();
  const auto due = [](std::int64_t epoch, std::int64_t every) { return every > 0 && epoch % every == 0; };
  std::int64_t last_fault = 0;  // an epoch that comes again after a reload has no second one
  while (progress.epoch < options.epochs) {
    const auto epoch = progress.epoch + 1;
    const bool fault = due(epoch, options.fault_every) && epoch > last_fault;
    try {
      trainer.run_epoch(fault);
    } catch (const InjectedFault& injected) {
      last_fault = epoch;
      recover(group, injected, trainer, checkpoints);
      continue;
    }
    group.say(fmt::format("epoch {} loss {:.17g}", epoch, progress.loss));
    if (due(epoch, options.save_every) || epoch == options.epochs) checkpoints.save();
  }
}

int run(const Group& group, const Options& options) {
  make_deterministic();
  Trainer trainer(group, options);
  Checkpoints checkpoints(group, options, trainer);
  const bool begun = begin(group, options, trainer, checkpoints);
  if (begun) train_all(group, options, trainer, checkpoints);
  const bool saved = checkpoints.close();
  checkpoints.summary().print();
  if (!begun) return wrong_use;
  return saved ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// An Error of Holdfast comes on all ranks, which can then leave in order; anything else may be this rank's alone.
int run_or_explain(const Group& group, int argc, char** argv) {
  try {
    Options options;
    if (const auto exit = parse_command_line(argc, argv, group.rank() == 0, options)) return exit->status;
    return run(group, options);
  } catch (const holdfast::Error& error) {
    if (group.rank() == 0) fmt::print(stderr, "train: {}\n", error.what());
    return EXIT_FAILURE;
  } catch (const std::exception& error) {
    fmt::print(stderr, "train: rank {}: {}\n", group.rank(), error.what());
    MPI_Abort(group.comm(), EXIT_FAILURE);
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
