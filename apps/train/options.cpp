#include "options.hpp"

#include <CLI/CLI.hpp>

namespace train {

namespace {

void describe(CLI::App& app, Options& options) {
  app.add_option("--dir", options.directory, "Directory of the checkpoints")->required();
  app.add_option("--epochs", options.epochs, "Train up to this epoch")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--save-every", options.save_every,
                 "Epochs between saves; the last epoch is always saved, 0: only that one")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--fault-every", options.fault_every, "Epochs between injected faults, 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  auto* hidden = app.add_option("--hidden", options.hidden, "Width of the hidden layers, instead of 32-128-64-8")
                     ->check(CLI::PositiveNumber);
  app.add_option("--layers", options.layers, "Number of hidden layers")
      ->capture_default_str()
      ->needs(hidden)
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "Start of all random numbers; a resumed run goes on with its own")
      ->capture_default_str();
  app.add_option("--keep", options.keep, "Newest checkpoints that stay, 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--epoch-seconds", options.epoch_seconds,
                 "Shortest time of an epoch; real ones take longer than ours, so that there is time to step in")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--resume", options.resume,
               "Go on from the newest valid checkpoint, if there is one; on any number of ranks");
  app.add_flag(
      "--terminal", options.terminal,
      "Write for a terminal: colours and a progress bar, unless NO_COLOR is set; mpirun hides whether there is one");
  app.add_option("--summary", options.summary,
                 "File for the table of what the saves cost, instead of the end of the output");
  app.add_flag(
      "--reserve-helpers", options.reserve_helpers,
      "The last rank of each node helps instead of training, where a job may start neither processes nor steps");
}

}  // namespace

std::vector<std::int64_t> Options::layer_widths() const {
  if (hidden == 0) return {8, 32, 128, 64, 8, 1};
  std::vector<std::int64_t> widths(static_cast<std::size_t>(layers) + 2, hidden);
  widths.front() = 8;
  widths.back() = 1;
  return widths;
}

std::optional<Exit> parse_command_line(int argc, char** argv, bool speaks, Options& options) {
  CLI::App app(
      "Trains a small network whose parameters and optimizer state are split over the MPI ranks, with checkpoints by "
      "Holdfast.\n"
      "Run it under mpirun: mpirun -n 2 train --dir checkpoints --fault-every 25");
  app.footer(
      "SIGUSR1 or SIGTERM, on any rank, and a file `halt` in the directory end the run after the epoch, once that "
      "epoch is\n"
      "committed; `halt` keeps later runs from starting. A file `save-now` there has the next epoch saved at once.\n"
      "Exit status: 0 trained to the end, or halted on request; 75 a signal asked for the end, start again with "
      "--resume;\n"
      "69 another run holds the directory; 2 wrong use, or options that do not fit the checkpoints there; 1 anything "
      "else, such\n"
      "as a newest state that is not saved. 2 and 69 do not get better by starting again.");
  describe(app, options);
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& end) {
    const bool asked_for = end.get_exit_code() == 0;
    if (speaks) app.exit(end);
    return Exit{asked_for ? 0 : wrong_use};
  }
}

}  // namespace train
