#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "plan/rank_layout.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/checkpoint_file.hpp"
#include "transport/messages.hpp"

/// Jobs, which the server gives to the drain, and outcomes, which the drain and the HeartbeatMonitor report to the
/// server.
namespace holdfast::helper {

/// Open the directory that the ranks' hello names.
struct OpenJob {
  transport::Hello hello;
  Options options;
};

/// One rank's part of a save, in its arena.
struct StagedPart {
  std::shared_ptr<const plan::RankLayout> layout;
  const std::byte* arena = nullptr;
};

/// Write a wave of a save that all ranks of this helper have staged. If `error` is set, take part in giving the save
/// up.
struct SaveJob {
  std::uint64_t save = 0;
  std::int64_t sequence = 0, parent = 0;
  std::int64_t step = -1;
  std::uint64_t plan = 0;
  std::uint32_t wave = 0, waves = 1;
  int world_size = 0;
  std::vector<StagedPart> parts;
  std::string copy;        ///< how rank 0 copied its part, if this helper serves it
  std::string attributes;  ///< of the save, likewise
  std::optional<Error> error;
  Stopwatch since_staged;
};

/// Leave: no job follows.
struct LeaveJob {
  Deadline programs_end{Seconds(0)};  ///< when the programs after commits are ended (AfterCommit)
};

using Job = std::variant<OpenJob, SaveJob, LeaveJob>;

struct Opened {
  int helpers = 0;
  storage::CheckpointStore::Known known = {};
  std::optional<Error> error;
};
/// A wave that is not the last is written.
struct WaveWritten {
  std::uint64_t save = 0;
  std::uint32_t wave = 0;
};
struct SaveEnded {
  std::uint64_t save = 0;
  std::optional<Error> error;
  storage::SaveResult result;
  double commit_s = 0;
  bool runs_program = false;  ///< an AfterCommitEnded follows
};
/// The program after a commit has ended.
struct AfterCommitEnded {};

/// Another helper is lost, so no save can be written any more.
struct HelperLost {
  Error error;
};
/// A rank that another helper serves has died.
struct RankDied {
  int rank = -1;
};

using Outcome = std::variant<Opened, WaveWritten, SaveEnded, AfterCommitEnded, HelperLost, RankDied>;

}  // namespace holdfast::helper
