/* The smallest MPI program that says where its ranks run and sends bytes between neighbours. */
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>

static char bytes[1 << 20];

int main(int argc, char** argv) {
  int rank, ranks;
  char host[64];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  gethostname(host, sizeof host);
  MPI_Sendrecv_replace(bytes, sizeof bytes, MPI_CHAR, (rank + 1) % ranks, 0, (rank + ranks - 1) % ranks, 0, MPI_COMM_WORLD,
                       MPI_STATUS_IGNORE);
  printf("rank %d of %d on %s\n", rank, ranks, host);
  return MPI_Finalize();
}
