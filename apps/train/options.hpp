#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace train {

struct Options {
  std::filesystem::path directory;
  std::int64_t epochs = 100;
  std::int64_t save_every = 10;
  std::int64_t fault_every = 0;  ///< 0: no faults
  std::int64_t hidden = 0;       ///< 0: the reference example's layers
  std::int64_t layers = 4;       ///< hidden layers; counts only with `hidden`
  std::uint64_t seed = 1;
  int keep = 3;
  double epoch_seconds = 0;  ///< an epoch takes at least so long
  bool resume = false;
  bool terminal = false;          ///< standard output ends at one
  std::filesystem::path summary;  ///< where the table of the saves goes; empty: to standard output
  bool reserve_helpers = false;   ///< the last rank of each node does not train, but is its node's helper

  /// Widths from the inputs to the output, such as 8-32-128-64-8-1.
  [[nodiscard]] std::vector<std::int64_t> layer_widths() const;
};

/// Exit status when the command line cannot be followed, or does not fit the checkpoints that are there.
inline constexpr int wrong_use = 2;
/// Exit status when another run holds the directory: EX_UNAVAILABLE of sysexits.h.
inline constexpr int in_use = 69;
/// Exit status when a signal asked for the end: EX_TEMPFAIL of sysexits.h, "come again".
inline constexpr int come_again = 75;

/// How the program ends without training: after --help, or after wrong use.
struct Exit {
  int status = 0;
};

/// Reads the command line; every rank does, the one with `speaks` prints help and complaints.
[[nodiscard]] std::optional<Exit> parse_command_line(int argc, char** argv, bool speaks, Options& options);

}  // namespace train
