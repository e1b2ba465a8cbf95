// A helper that starts as it should, answers the probe, and then never listens.
#include <mpi.h>

#include <cstdio>
#include <string_view>

#include "launch/launcher.hpp"

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--probe") {
    std::fputs(holdfast::launch::probe_answer().c_str(), stdout);
    return 0;
  }
  MPI_Init(nullptr, nullptr);
  MPI_Comm parents = MPI_COMM_NULL;
  MPI_Comm_get_parent(&parents);
  if (parents != MPI_COMM_NULL) MPI_Comm_disconnect(&parents);
  MPI_Finalize();
  return 0;
}
