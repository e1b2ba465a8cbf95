// Saves and forgets: no wait(), no close(). MPI_Finalize has to close, and the save has to be there afterwards.
#include <holdfast/checkpointer.hpp>
#include <vector>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    holdfast::Checkpointer dropped(MPI_COMM_WORLD, {.directory = std::filesystem::path(argv[1]) / "dropped"});
    static holdfast::Checkpointer kept(MPI_COMM_WORLD, {.directory = std::filesystem::path(argv[1]) / "kept"});
    std::vector<float> memory(1 << 22, 1.0F);
    holdfast::StateDict state;
    state.add("w", holdfast::replicated(memory.data(), holdfast::DType::f32, {memory.size()}));
    dropped.async_save(1, state);
    kept.async_save(2, state);
    kept.async_save(3, state, {.overlap_staging = true}).wait_staged();
  }
  MPI_Finalize();
  return 0;
}
