#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <vector>

/// Which checkpoints of a directory follow from one another: the line that a program goes on from, and what it abandoned when it
/// went back. All of it is a function of what the files themselves say (docs/decisions/0025). Pure.
namespace holdfast::storage {

/// Sequences from first to last, both included.
struct SequenceRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  auto operator<=>(const SequenceRange&) const = default;
};

/// Where a save stands among those of its directory.
struct Lineage {
  std::int64_t sequence = 0;              ///< counts the saves of a directory, from 1; 0: none
  std::int64_t parent = 0;                ///< sequence of the save that it goes on from; 0: none
  std::vector<SequenceRange> abandoned;   ///< given up on the way to this save; ascending, without overlap, before `sequence`
  bool operator==(const Lineage&) const = default;
};

/// A committed file.
struct Entry {
  std::int64_t step = -1;
  Lineage lineage = {};  ///< sequence 0: its head cannot be read, so that it has no place in the line
  bool is_own = false;   ///< this run has committed it
  std::optional<Error> problem = {};  ///< why its head cannot be read, where somebody tried
  [[nodiscard]] bool is_read() const noexcept { return lineage.sequence != 0; }
};

/// No file has a larger one, nor one below its negative.
inline constexpr std::int64_t most_sequence = std::int64_t{1} << 62;
/// A save of format 2 has no sequence: it counts as one before all that have, in the order of steps.
[[nodiscard]] std::int64_t sequence_of_step(std::int64_t step);
/// Can a file say this?
[[nodiscard]] bool is_possible(const Lineage& lineage);

/// The entry of the largest sequence, which the program goes on from; null without any.
[[nodiscard]] const Entry* head_of(const std::vector<Entry>& entries);
/// The head and all that it did not abandon, oldest first.
[[nodiscard]] std::vector<Entry> line_of(const std::vector<Entry>& entries);
/// Steps of the saves that the program went back behind: all with a lineage that are not in the line; ascending if `entries` are.
[[nodiscard]] std::vector<std::int64_t> abandoned_steps(const std::vector<Entry>& entries);

/// The largest sequence that may have been given already. A file whose head cannot be read may come back with any of many.
[[nodiscard]] std::int64_t newest_sequence(const std::vector<Entry>& entries);

/// The lineage of the next save, which has `sequence` and goes on from `parent`; `last` is that of the save before it. All
/// between parent and sequence is abandoned, and what the parent abandoned.
[[nodiscard]] Lineage next_lineage(const std::vector<Entry>& entries, const Lineage& last, std::int64_t sequence,
                                   std::int64_t parent);
/// Without the ranges that no file lies in, so that they do not become more and more.
[[nodiscard]] Lineage trimmed(const std::vector<Entry>& entries, Lineage lineage);

/// Steps that retention gives up: of the line, all but the newest keep_last (0 keeps all) and those divisible by keep_every
/// (0: none). An older one waits until min(keep_last, 2) newer ones of this run are there, but two more than keep_last are the
/// most that wait. Never the newest of this run, nor one that is abandoned or whose head cannot be read; the latter two do not
/// count as kept.
[[nodiscard]] std::vector<std::int64_t> to_prune(const std::vector<Entry>& entries, int keep_last, std::int64_t keep_every);

}  // namespace holdfast::storage
