#include "wrap/mpi_notice.hpp"

namespace holdfast::mpi {

struct Notice::State {
  MPI_Request request = MPI_REQUEST_NULL;
  std::int64_t word = 0;
};

Notice::Notice(const Communicator& comm, bool word) : state_(new State{.word = comm.rank() == 0 && word ? 1 : 0}) {
  check(MPI_Ibcast(&state_->word, 1, MPI_INT64_T, 0, comm.get(), &state_->request), "MPI_Ibcast");
}

/// Leaks the state if the broadcast is not finished: MPI may still write to it.
Notice::~Notice() {
  if (state_->request == MPI_REQUEST_NULL) delete state_;
}

bool Notice::says_yes() {
  int come = 0;
  check(MPI_Test(&state_->request, &come, MPI_STATUS_IGNORE), "MPI_Test");
  return come != 0 && state_->word != 0;
}

void Notice::finish() {
  check(MPI_Wait(&state_->request, MPI_STATUS_IGNORE), "MPI_Wait");
}

}  // namespace holdfast::mpi
