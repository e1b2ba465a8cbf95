#include "wrap/mpi_control_messages.hpp"

namespace holdfast::mpi {
namespace {

constexpr int tag = 1;

}  // namespace

/// Leaves a message that has not been sent, to a lost member, to MPI, which may still read its bytes.
ControlMessages::~ControlMessages() {
  for (PendingSend& sent : sent_) {
    int done = 1;
    if (sent.request == MPI_REQUEST_NULL ||
        (MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0))
      continue;
    if (sent.request != MPI_REQUEST_NULL) MPI_Request_free(&sent.request);
    static_cast<void>(sent.numbers.release());
  }
}

bool ControlMessages::send(int to, ControlMessage message) {
  PendingSend& sent = sent_[static_cast<std::size_t>(to)];
  int done = 0;
  check(MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  if (done == 0) return false;
  *sent.numbers = {message.kind, message.value};
  check(MPI_Isend(sent.numbers->data(), 2, MPI_INT64_T, to, tag, comm_.get(), &sent.request), "MPI_Isend");
  return true;
}

std::optional<ControlMessages::Arrived> ControlMessages::take() {
  int arrived = 0;
  MPI_Status status{};
  // A probe that finds nothing makes Open MPI fetch arrived messages, which the next probe sees.
  for (int probe = 0; probe < 2 && arrived == 0; ++probe)
    check(MPI_Iprobe(MPI_ANY_SOURCE, tag, comm_.get(), &arrived, &status), "MPI_Iprobe");
  if (arrived == 0) return std::nullopt;
  std::array<std::int64_t, 2> numbers{};
  check(MPI_Recv(numbers.data(), 2, MPI_INT64_T, status.MPI_SOURCE, tag, comm_.get(), MPI_STATUS_IGNORE), "MPI_Recv");
  return Arrived{.from = status.MPI_SOURCE, .message = {.kind = numbers[0], .value = numbers[1]}};
}

}  // namespace holdfast::mpi
