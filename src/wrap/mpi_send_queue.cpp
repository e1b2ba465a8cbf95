#include "wrap/mpi_send_queue.hpp"

namespace holdfast::mpi {

SendQueue::~SendQueue() {
  if (!sent_.empty()) static_cast<void>(new std::deque<QueuedMessage>(std::move(sent_)));
}

void SendQueue::send(int to, Bytes message) {
  send(to, std::make_shared<const Bytes>(std::move(message)));
}

void SendQueue::send(int to, std::shared_ptr<const Bytes> message) {
  all_taken();
  auto& [request, kept] = sent_.emplace_back(QueuedMessage{MPI_REQUEST_NULL, std::move(message)});
  check(MPI_Issend(kept->data(), static_cast<int>(kept->size()), MPI_BYTE, to, subject_, comm_->get(), &request),
        "MPI_Issend");
}

bool SendQueue::all_taken() {
  for (int is_taken = 1; !sent_.empty(); sent_.pop_front()) {
    check(MPI_Test(&sent_.front().request, &is_taken, MPI_STATUS_IGNORE), "MPI_Test");
    if (is_taken == 0) return false;
  }
  return true;
}

void SendQueue::finish() {
  for (; !sent_.empty(); sent_.pop_front()) check(MPI_Wait(&sent_.front().request, MPI_STATUS_IGNORE), "MPI_Wait");
}

Bytes receive(const Communicator& comm, int from, int subject, std::size_t bytes) {
  Bytes message(bytes);
  receive(comm, from, subject, message);
  return message;
}

void receive(const Communicator& comm, int from, int subject, std::span<std::byte> message) {
  check(MPI_Recv(message.data(), static_cast<int>(message.size()), MPI_BYTE, from, subject, comm.get(),
                 MPI_STATUS_IGNORE),
        "MPI_Recv");
}

}  // namespace holdfast::mpi
