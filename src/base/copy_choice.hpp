#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/copy_ways.hpp"

namespace holdfast {

/// Chooses the fastest of several ways of copying, by timing real copies. A trial copies blocks in each way in turn and
/// times them. The first trial is at once. Some follow soon, because memory may have been touched for the first time in
/// the trial before. Later trials are rare; they correct a choice that other load on the machine distorted. A way
/// replaces the current one if its median time is better by more than the spread of the times. Thread-safe and
/// lock-free.
class CopyChoice {
 public:
  /// Begins with the first of `ways`, which is borrowed.
  explicit CopyChoice(std::span<const CopyWay> ways) noexcept : ways_(ways), way_(ways.front()) {}

  /// How the next block is copied.
  struct Trial {
    CopyWay way{};
    bool timed = false;        ///< the caller measures the copy and calls note()
    std::uint32_t number = 0;  ///< position in the trial
  };
  [[nodiscard]] Trial next() noexcept;
  /// Records the time of a copy. Returns true if it ended the first trial, or a trial that changed the way.
  bool note(Trial trial, std::size_t bytes, std::uint64_t nanoseconds) noexcept;

  [[nodiscard]] CopyWay way() const noexcept { return way_.load(std::memory_order_relaxed); }
  /// Whether a trial has ended.
  [[nodiscard]] bool is_tried() const noexcept { return tried_.load(std::memory_order_relaxed); }
  /// The way, and each way's GB/s in the last trial.
  [[nodiscard]] std::string in_words() const;

 private:
  static constexpr std::uint32_t rounds = 7;

  [[nodiscard]] std::uint32_t blocks_of_trial() const noexcept {
    return rounds * static_cast<std::uint32_t>(ways_.size());
  }
  bool decide() noexcept;

  std::span<const CopyWay> ways_;
  std::atomic<CopyWay> way_;
  std::atomic<bool> tried_ = false;
  std::atomic<std::uint32_t> turns_ = 0, noted_ = 0;
  /// ns per MiB in the last trial, by Trial::number
  std::array<std::atomic<std::uint32_t>, rounds * copy_way_count> times_{};
};

}  // namespace holdfast
