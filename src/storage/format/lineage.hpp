#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <vector>

/// The order of a directory's checkpoints: the line that a program continues, and the saves that it abandoned when it
/// went back. Computed from the files' own attributes alone (docs/decisions/0025). Pure.
namespace holdfast::storage {

/// A range of sequences, both ends included.
struct SequenceRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  auto operator<=>(const SequenceRange&) const = default;
};

/// The place of a save among the saves of its directory.
struct Lineage {
  std::int64_t sequence = 0;             ///< counts the saves of a directory, from 1; 0: none
  std::int64_t parent = 0;               ///< sequence of the save that it goes on from; 0: none
  std::vector<SequenceRange> abandoned;  ///< given up before this save; ascending, without overlap, below `sequence`
  bool operator==(const Lineage&) const = default;
};

/// A committed file.
struct Entry {
  std::int64_t step = -1;
  Lineage lineage = {};               ///< sequence 0: the header cannot be read, and the file is not in the line
  bool is_own = false;                ///< committed by this run
  std::optional<Error> problem = {};  ///< why the header cannot be read, if that was tried
  [[nodiscard]] bool is_read() const noexcept { return lineage.sequence != 0; }
};

/// Sequences and parents of files lie between -most_sequence and most_sequence.
inline constexpr std::int64_t most_sequence = std::int64_t{1} << 62;
/// The sequence of a save of format 2, which stores none: negative, so below all stored ones, in the order of steps.
[[nodiscard]] std::int64_t sequence_of_step(std::int64_t step);
/// Whether a file may have this lineage: the numbers are in range and fit together.
[[nodiscard]] bool is_possible(const Lineage& lineage);

/// The entry with the largest sequence, from which the program continues; null if no entry has one.
[[nodiscard]] const Entry* head_of(const std::vector<Entry>& entries);
/// The head and all saves that it did not abandon, oldest first.
[[nodiscard]] std::vector<Entry> line_of(const std::vector<Entry>& entries);
/// Steps of the saves that the head abandoned, in the order of `entries`.
[[nodiscard]] std::vector<std::int64_t> abandoned_steps(const std::vector<Entry>& entries);

/// The largest sequence that may be in use. If a header cannot be read, it is far above the largest known one, as that
/// file may have any sequence up to there.
[[nodiscard]] std::int64_t newest_sequence(const std::vector<Entry>& entries);

/// The lineage of the next save, which has `sequence` and goes on from `parent`. It abandons what the parent abandoned,
/// and all saves between parent and sequence. `last` is the lineage of the save before it.
[[nodiscard]] Lineage next_lineage(const std::vector<Entry>& entries, const Lineage& last, std::int64_t sequence,
                                   std::int64_t parent);
/// The lineage without the abandoned ranges that no file lies in, so that their number stays small.
[[nodiscard]] Lineage trimmed(const std::vector<Entry>& entries, Lineage lineage);

/// Steps that retention gives up. It keeps the newest keep_last of the line (0: all), those divisible by keep_every (0:
/// none) and the newest of this run. An older file is given up once min(keep_last, 2) files of this run, or keep_last +
/// 2 of the line, are newer. Abandoned files and files whose header cannot be read are never given up, and do not count
/// as kept.
[[nodiscard]] std::vector<std::int64_t> to_prune(const std::vector<Entry>& entries, int keep_last,
                                                 std::int64_t keep_every);

}  // namespace holdfast::storage
