// Rank 1 is killed in the middle of the Checkpointer's constructor, and the others wait for it: die_at_start DIRECTORY
// WHEN
//   starting   the helpers start; it has not reached its own
//   connected  it has, and is about to meet the others, who have too
//   met        all know that all are connected; the next word is each one's hello
//   greeted    its helper has welcomed it
#include <signal.h>

#include <holdfast/checkpointer.hpp>
#include <string_view>

namespace {

std::string_view when;
int rank = -1;
int meetings = -1;  // since the helpers were started; -1: they are not yet

void die_if(bool now) {
  if (rank == 1 && now) raise(SIGKILL);
}

void helpers_are_started() {
  die_if(when == "starting");
  meetings = 0;
}

}  // namespace

// The calls with which slurm_step and spawn begin and end their part.
extern "C" int MPI_Ibcast(void* buffer, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request* request) {
  helpers_are_started();
  return PMPI_Ibcast(buffer, count, type, root, comm, request);
}

extern "C" int MPI_Comm_disconnect(MPI_Comm* comm) {
  const int status = PMPI_Comm_disconnect(comm);
  helpers_are_started();
  return status;
}

extern "C" int MPI_Allreduce(const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  if (meetings >= 0) ++meetings;
  die_if((meetings == 1 && when == "connected") || (meetings == 2 && when == "greeted"));
  const int status = PMPI_Allreduce(in, out, count, type, op, comm);
  die_if(meetings == 1 && when == "met");
  return status;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  when = argv[2];
  const holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = argv[1], .launch_timeout_s = 15});
  MPI_Barrier(MPI_COMM_WORLD);
  return 0;
}
