#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace holdfast::save {

/// Gives each save of a Checkpointer its sequence and its parent (docs/decisions/0025-the-line.md). All ranks get the
/// same input, and so the same numbers. Local.
class Succession {
 public:
  struct Position {
    std::int64_t sequence = 0;
    std::int64_t parent = 0;  ///< 0: none
  };

  /// To be called when helpers have opened the directory. `newest` is the largest sequence that may be in use there,
  /// `head` that of the head (0: none). Helpers that replace lost ones see what was committed, so a lost save is never
  /// a parent.
  void opened(std::int64_t newest, std::int64_t head) {
    parent_ = head > newest_at_load_ ? head : loaded_;
    newest_ = std::max(newest_, newest);
  }
  /// To be called when the program goes on from a loaded checkpoint.
  void loaded(std::int64_t sequence) {
    parent_ = loaded_ = sequence;
    newest_at_load_ = newest_;
  }
  [[nodiscard]] Position next() {
    ++newest_;
    return {.sequence = newest_, .parent = std::exchange(parent_, newest_)};
  }

 private:
  std::int64_t newest_ = 0;  ///< last sequence that was given
  std::int64_t parent_ = 0;
  std::int64_t loaded_ = 0;
  std::int64_t newest_at_load_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace holdfast::save
