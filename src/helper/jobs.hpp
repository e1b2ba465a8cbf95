#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "helper/layout.hpp"
#include "storage/commit.hpp"
#include "storage/storage.hpp"
#include "transport/messages.hpp"

/// What the server asks of the drain, and what comes back from it and from the watch over the other helpers.
namespace holdfast::helper {

/// Open the directory as the ranks' hello wants it.
struct OpenJob {
  transport::Hello hello;
};

/// One rank's part of a save, in its arena.
struct StagedPart {
  std::shared_ptr<const RankLayout> layout;
  const std::byte* arena = nullptr;
};

/// Write a wave of a save, which all ranks of this helper have staged; with `error`, take part in giving the save up.
struct SaveJob {
  std::uint64_t save = 0;
  std::int64_t sequence = 0, parent = 0;
  std::int64_t step = -1;
  std::uint64_t plan = 0;
  std::uint32_t wave = 0, waves = 1;
  int world_size = 0;
  std::vector<StagedPart> parts;
  std::string copy;  ///< how rank 0 copied its part, if this helper serves it
  std::optional<Error> error;
  Stopwatch since_staged;
};

/// Nothing more will come.
struct LeaveJob {};

using Job = std::variant<OpenJob, SaveJob, LeaveJob>;

struct Opened {
  int helpers = 0;
  storage::CheckpointStore::Known known = {};
  std::optional<Error> error;
};
/// A wave, but the last one, is written.
struct Drained {
  std::uint64_t save = 0;
  std::uint32_t wave = 0;
};
struct Saved {
  std::uint64_t save = 0;
  std::optional<Error> error;
  storage::SaveResult result;
  double commit_s = 0;
};

/// Another helper is lost, so no save can be written any more.
struct HelperLost {
  Error error;
};
/// A rank that another helper serves has died.
struct RankDied {
  int rank = -1;
};

using Outcome = std::variant<Opened, Drained, Saved, HelperLost, RankDied>;

}  // namespace holdfast::helper
