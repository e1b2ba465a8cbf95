#pragma once

#include <cstddef>
#include <holdfast/future.hpp>
#include <span>
#include <string>
#include <vector>

#include "collectives.hpp"

namespace train {

/// What the saves of this run cost, beside a plain memcpy of the same bytes at the same moments. Calls but text() are
/// collective.
class Summary {
 public:
  /// `memory` is what this rank saves; the copy is made once ahead, to have its memory faulted in.
  Summary(const Group& group, std::vector<std::span<const std::byte>> memory);

  /// Copies the memory on all ranks at once. Seconds of the slowest. Ends with a barrier, so that the save that follows
  /// starts on all ranks together.
  double time_memcpy();
  void add(const holdfast::SaveStats& stats, double memcpy_s);
  /// A table; empty if nothing was saved.
  [[nodiscard]] std::string text() const;

 private:
  struct Entry {
    holdfast::SaveStats stats;
    double blocked_s;  ///< of the slowest rank
    double memcpy_s;
  };

  Group group_;
  std::vector<std::span<const std::byte>> memory_;
  std::vector<std::byte> copy_;
  std::vector<Entry> entries_;
};

}  // namespace train
