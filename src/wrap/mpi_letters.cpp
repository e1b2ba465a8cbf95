#include "wrap/mpi_letters.hpp"

namespace holdfast::mpi {
namespace {

constexpr int tag = 1;

}  // namespace

/// A letter that has not gone out, to a member that is lost, is left to MPI.
Letters::~Letters() {
  for (Sent& sent : sent_)
    if (sent.request != MPI_REQUEST_NULL) MPI_Request_free(&sent.request);
}

bool Letters::send(int to, Letter letter) {
  Sent& sent = sent_[static_cast<std::size_t>(to)];
  int done = 0;
  check(MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  if (done == 0) return false;
  sent.numbers = {letter.kind, letter.value};
  check(MPI_Isend(sent.numbers.data(), 2, MPI_INT64_T, to, tag, comm_.get(), &sent.request), "MPI_Isend");
  return true;
}

std::optional<Letters::Arrived> Letters::take() {
  int arrived = 0;
  MPI_Status status{};
  // A probe that finds nothing makes Open MPI fetch what has come, which the next probe sees.
  for (int probe = 0; probe < 2 && arrived == 0; ++probe)
    check(MPI_Iprobe(MPI_ANY_SOURCE, tag, comm_.get(), &arrived, &status), "MPI_Iprobe");
  if (arrived == 0) return std::nullopt;
  std::array<std::int64_t, 2> numbers{};
  check(MPI_Recv(numbers.data(), 2, MPI_INT64_T, status.MPI_SOURCE, tag, comm_.get(), MPI_STATUS_IGNORE), "MPI_Recv");
  return Arrived{.from = status.MPI_SOURCE, .letter = {.kind = numbers[0], .value = numbers[1]}};
}

}  // namespace holdfast::mpi
