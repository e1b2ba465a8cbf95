#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace holdfast::api {

/// Gives each save of a Checkpointer its sequence, and the one that it goes on from (docs/decisions/0025). All ranks are told the
/// same, and so come to the same numbers. Local.
class Succession {
 public:
  struct Place {
    std::int64_t sequence = 0;
    std::int64_t parent = 0;  ///< 0: none
  };

  /// Helpers have opened the directory: the largest sequence that may have been given there, and the head's (0: there is none).
  /// Helpers that take the place of lost ones find what was committed; saves that were lost are nobody's parent.
  void opened(std::int64_t newest, std::int64_t head) {
    parent_ = head > newest_at_load_ ? head : loaded_;
    newest_ = std::max(newest_, newest);
  }
  /// The program goes on from this one.
  void loaded(std::int64_t sequence) {
    parent_ = loaded_ = sequence;
    newest_at_load_ = newest_;
  }
  [[nodiscard]] Place next() {
    ++newest_;
    return {.sequence = newest_, .parent = std::exchange(parent_, newest_)};
  }

 private:
  std::int64_t newest_ = 0;  ///< the last one given
  std::int64_t parent_ = 0;
  std::int64_t loaded_ = 0;
  std::int64_t newest_at_load_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace holdfast::api
