// Saves one checkpoint of everything into argv[1], for readers in other languages. Run under mpirun.
#include <mpi.h>

#include <cstdio>

#include "sample_save.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"

int main(int argc, char** argv) {
  using namespace holdfast;
  MPI_Init(&argc, &argv);
  mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  int status = 0;
  try {
    auto sample = storage::test::SampleSave::of_everything(comm.size());
    storage::CheckpointStore store(comm, storage::make_posix_filesystem(), storage::make_checkpoint_file(comm),
                                   {.directory = argv[argc - 1], .nonce = "n", .holder = "test"});
    store.save(sample.request(12, comm.rank()));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    status = 1;
  }
  comm.free();
  MPI_Finalize();
  return status;
}
