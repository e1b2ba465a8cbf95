// Starts from weights in the safetensors format, as they are published: each rank reads its rows of each tensor, and
// saves them as a checkpoint from which training goes on.
// usage: mpirun -n N holdfast-pretrained WEIGHTS DIRECTORY, where WEIGHTS is a file, an index, or the folder of either
#include <mpi.h>

#include <cstdio>
#include <deque>
#include <holdfast/checkpoint_reader.hpp>
#include <holdfast/checkpointer.hpp>
#include <vector>

namespace {

/// This rank's rows of a tensor; a scalar is the same on all ranks.
holdfast::TensorView rows_of(const holdfast::SavedEntry& entry, std::vector<std::byte>& memory, std::uint64_t rank,
                             std::uint64_t ranks) {
  holdfast::Shard box{.global = entry.shape, .offset = holdfast::Shape(entry.shape.size(), 0), .extent = entry.shape};
  if (!entry.shape.empty()) {
    box.offset[0] = entry.shape[0] * rank / ranks;
    box.extent[0] = entry.shape[0] * (rank + 1) / ranks - box.offset[0];
  }
  std::uint64_t bytes = size_of(entry.dtype);
  for (const std::uint64_t extent : box.extent) bytes *= extent;
  memory.resize(bytes);
  return holdfast::shard(static_cast<void*>(memory.data()), entry.dtype, std::move(box));
}

void start(const char* weights, const char* directory, std::uint64_t rank, std::uint64_t ranks) {
  const holdfast::CheckpointReader file(weights);
  std::deque<std::vector<std::byte>> memory;
  holdfast::StateDict model;
  for (const holdfast::SavedEntry& entry : file.entries())
    model.add(entry.name, rows_of(entry, memory.emplace_back(), rank, ranks));

  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory});
  const holdfast::LoadReport report = checkpointer.load(model, {.file = std::filesystem::absolute(weights)});
  const holdfast::SaveStats saved = checkpointer.async_save(0, model).wait();
  checkpointer.close();
  if (rank == 0)
    std::printf("%zu tensors of %s, %llu bytes on this rank; %s\n", file.entries().size(), weights,
                static_cast<unsigned long long>(report.bytes), saved.path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0, status = argc == 3 ? 0 : 2;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (status != 0 && rank == 0) std::fprintf(stderr, "usage: %s WEIGHTS DIRECTORY\n", argv[0]);
  try {
    if (status == 0) start(argv[1], argv[2], static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(ranks));
  } catch (const holdfast::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    status = 1;
  }
  MPI_Finalize();
  return status;
}
