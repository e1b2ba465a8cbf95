// A Checkpointer where MPI does not work, or on what is no communicator of one group: an Error in words, where MPI
// itself would end the program.
#include <cstdio>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <string>

namespace {

int wrong = 0;

void expect(const char* when, holdfast::ErrorCode code, const char* words, const std::function<void()>& call) {
  try {
    call();
    std::fprintf(stderr, "%s: no error\n", when);
    ++wrong;
  } catch (const holdfast::Error& error) {
    if (error.code() == code && std::string(error.what()).find(words) != std::string::npos) return;
    std::fprintf(stderr, "%s: %s\n", when, error.what());
    ++wrong;
  }
}

void expect_on(const char* when, MPI_Comm comm, holdfast::ErrorCode code, const char* words) {
  expect(when, code, words, [&] { holdfast::Checkpointer(comm, {.directory = "nowhere"}); });
  expect(when, code, words, [&] { static_cast<void>(holdfast::reserve_helper_ranks(comm)); });
}

/// Between the even ranks and the odd ones.
MPI_Comm between_groups() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm group = MPI_COMM_NULL, between = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &group);
  MPI_Intercomm_create(group, 0, MPI_COMM_WORLD, 1 - rank % 2, 1, &between);
  MPI_Comm_free(&group);
  return between;
}

}  // namespace

int main(int argc, char** argv) {
  using enum holdfast::ErrorCode;
  expect_on("before MPI_Init", MPI_COMM_WORLD, invalid_state, "MPI_Init");
  MPI_Init(&argc, &argv);
  expect_on("no communicator", MPI_COMM_NULL, invalid_argument, "MPI_COMM_NULL");
  MPI_Comm between = between_groups();
  expect_on("an intercommunicator", between, invalid_argument, "intercommunicator");
  MPI_Comm_free(&between);
  MPI_Finalize();
  expect_on("after MPI_Finalize", MPI_COMM_WORLD, invalid_state, "MPI_Finalize");
  return wrong;
}
