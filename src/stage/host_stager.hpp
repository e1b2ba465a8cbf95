#pragma once

#include "stage/stager.hpp"

namespace holdfast::stage {

/// memcpy by the calling thread and, above 64 MiB, `threads` - 1 more that live for the call only. Large pieces are cut,
/// and whoever is done with one takes the next, so that a thread that shares its core does not hold up the others. Throws
/// what a copy threw, after all threads have ended.
class HostStager final : public Stager {
 public:
  explicit HostStager(int threads) : threads_(threads) {}
  std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) override;
  std::shared_ptr<Underway> begin(std::vector<Copy> copies, cuda::Stream after) override;
  /// All of it at once.
  void stage(std::span<const Copy> copies) const;

 private:
  int threads_;
};

/// Threads for one rank: the cores that this process may run on, shared among `ranks_on_node` unless they are its own
/// by binding; 1 to 8.
[[nodiscard]] int default_stage_threads(int ranks_on_node);

/// What to say to a rank whose binding, and not its node, holds the threads that copy; empty if there is nothing. `asked` is
/// Options::stage_threads. Pure.
[[nodiscard]] std::string binding_in_words(int asked, int allowed, int online, int ranks_on_node);

}  // namespace holdfast::stage
