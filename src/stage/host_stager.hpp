#pragma once

#include "stage/stager.hpp"

namespace holdfast::stage {

/// Copies by memcpy in the calling thread and, from 64 MiB on, in `threads` - 1 more that live for the call only. Large
/// pieces are cut, and a thread that is done with one takes the next, so that a thread that shares its core does not
/// hold up the others. Throws what a copy threw, after all threads have ended.
class HostStager final : public Stager {
 public:
  explicit HostStager(int threads) : threads_(threads) {}
  std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) override;
  std::shared_ptr<PendingCopy> begin(std::vector<Copy> copies, cuda::Stream after) override;
  /// Copies everything before it returns.
  void stage(std::span<const Copy> copies) const;

 private:
  int threads_;
};

/// The number of copying threads of one rank, 1 to 8: the cores that this process may run on, divided by
/// `ranks_on_node` unless binding makes them the rank's own.
[[nodiscard]] int default_stage_threads(int ranks_on_node);

/// A warning for a rank whose binding, and not its node, limits the threads that copy; empty if there is none. `asked`
/// is Options::stage_threads, `allowed` and `online` count cores. Pure.
[[nodiscard]] std::string binding_in_words(int asked, int allowed, int online, int ranks_on_node);

}  // namespace holdfast::stage
