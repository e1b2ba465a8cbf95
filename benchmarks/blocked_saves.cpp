#include "blocked_saves.hpp"

#include <cmath>
#include <filesystem>
#include <string>

#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

/// Arithmetic on a little memory for `seconds`: a training step that leaves the memory's bandwidth alone.
void compute(std::vector<double>& numbers, double seconds) {
  for (const double end = now_s() + seconds; now_s() < end;)
    for (double& number : numbers) number = std::fma(number, 0.999, 0.001);
}

Options options_for(const SaveKind& kind) {
  static int count = 0;
  return {
      .directory = shared_directory() / std::to_string(count++), .keep_last = 1, .stage_threads = kind.stage_threads};
}

}  // namespace

BlockedSaves::BlockedSaves(std::uint64_t bytes, const SaveKind& kind)
    : state_(bytes),
      copy_(state_.floats(), 0.0f),
      control_copy_(kind.control ? state_.floats() : 0, 0.0f),
      computing_(1024, 1.0),
      kind_(kind),
      checkpointer_(MPI_COMM_WORLD, options_for(kind)) {}

double BlockedSaves::copy_plainly(std::vector<float>& to) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = now_s();
  state_.copy_to(to);
  return slowest(now_s() - start);
}

double BlockedSaves::save_blocked(SaveFuture& future) {
  const double control_s = kind_.control ? copy_plainly(control_copy_) : 0;
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = now_s();
  future = checkpointer_.async_save(++step_, state_.dict(), {.overlap_staging = kind_.overlap});
  double blocked_s = now_s() - start;
  if (kind_.overlap) {
    compute(computing_, 0.5);
    const double waiting = now_s();
    future.wait_staged();
    blocked_s += now_s() - waiting;
  }
  return kind_.control ? control_s : slowest(blocked_s);
}

Sample BlockedSaves::next() {
  Sample sample;
  SaveFuture future;
  sample.copy_first = step_ % 2 == 0;
  if (sample.copy_first) sample.memcpy_s = copy_plainly(copy_);
  sample.blocked_s = save_blocked(future);
  if (!sample.copy_first) {
    future.wait();  // the helper's writing would slow the copy down
    sample.memcpy_s = copy_plainly(copy_);
  }
  sample.commit_s = slowest(future.wait().commit_s);
  return sample;
}

}  // namespace holdfast::benchmarks
