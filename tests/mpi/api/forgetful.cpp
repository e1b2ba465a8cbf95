// Saves and forgets: no wait(), no close(). MPI_Finalize has to close, and the save has to be there afterwards, the
// signal handler gone.
#include <csignal>
#include <holdfast/checkpointer.hpp>
#include <vector>

namespace {

bool is_default(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    holdfast::Checkpointer dropped(
        MPI_COMM_WORLD, {.directory = std::filesystem::path(argv[1]) / "dropped", .preemption_signals = {SIGUSR1}});
    static holdfast::Checkpointer kept(MPI_COMM_WORLD, {.directory = std::filesystem::path(argv[1]) / "kept"});
    std::vector<float> memory(1 << 22, 1.0F);
    holdfast::StateDict state;
    state.add("w", holdfast::replicated(memory.data(), holdfast::DType::f32, {memory.size()}));
    dropped.async_save(1, state);
    kept.async_save(2, state);
    kept.async_save(3, state, {.overlap_staging = true}).wait_staged();
  }
  const bool watched = !is_default(SIGUSR1);
  MPI_Finalize();
  return watched && is_default(SIGUSR1) ? 0 : 1;
}
