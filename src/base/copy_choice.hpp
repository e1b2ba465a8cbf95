#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/copy_ways.hpp"

namespace holdfast {

/// Which of several ways copies of one kind are made in. Finds out on the copies themselves: in a trial, blocks are copied in
/// each way in turn, and timed. There is a trial at once, some soon after, as memory may have been touched for the first time in
/// the one before, and then one in many blocks, as a machine's other load may have hidden the difference. A way takes the place
/// of another one if its median is better by more than the times differ from each other. Threads share one; none waits.
class CopyChoice {
 public:
  /// Takes the first of `ways` until another one is seen to be faster. `ways` outlive this.
  explicit CopyChoice(std::span<const CopyWay> ways) noexcept : ways_(ways), way_(ways.front()) {}

  /// How the next block is copied.
  struct Turn {
    CopyWay way{};
    bool timed = false;        ///< then note() wants to know how long it took
    std::uint32_t number = 0;  ///< in its trial
  };
  [[nodiscard]] Turn next() noexcept;
  /// Says whether it ended the first trial, or one that changed the way.
  bool note(Turn turn, std::size_t bytes, std::uint64_t nanoseconds) noexcept;

  [[nodiscard]] CopyWay way() const noexcept { return way_.load(std::memory_order_relaxed); }
  /// Has a trial ended?
  [[nodiscard]] bool is_tried() const noexcept { return tried_.load(std::memory_order_relaxed); }
  /// The way, and each way's GB/s in the last trial.
  [[nodiscard]] std::string in_words() const;

 private:
  static constexpr std::uint32_t rounds = 7;

  [[nodiscard]] std::uint32_t blocks_of_trial() const noexcept { return rounds * static_cast<std::uint32_t>(ways_.size()); }
  bool decide() noexcept;

  std::span<const CopyWay> ways_;
  std::atomic<CopyWay> way_;
  std::atomic<bool> tried_ = false;
  std::atomic<std::uint32_t> turns_ = 0, noted_ = 0;
  std::array<std::atomic<std::uint32_t>, rounds * copy_way_count> times_{};  ///< of the last trial, ns per MiB, in turns
};

}  // namespace holdfast
