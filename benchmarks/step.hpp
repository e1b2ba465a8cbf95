#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast::benchmarks {

/// A training step as one core makes it: some 4 ms of multiply-adds on 256 KiB, which stay in a cache, and one pass
/// over the next 2 MiB of 256 MiB, read and written. It calls nothing of MPI or Holdfast.
class Step {
 public:
  Step();
  /// Seconds that this one took.
  double run();

 private:
  std::vector<double> cached_, streamed_;
  std::size_t at_ = 0;
  int repeats_ = 1;
};

}  // namespace holdfast::benchmarks
