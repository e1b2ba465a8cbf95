#include "wrap/mpi_outbox.hpp"

namespace holdfast::mpi {
namespace {

constexpr int tag = 2;

}  // namespace

Outbox::~Outbox() {
  if (!requests_.empty()) static_cast<void>(messages_.release());
}

void Outbox::send(int to, Bytes message) {
  const Bytes& kept = messages_->emplace_back(std::move(message));
  MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
  check(MPI_Isend(kept.data(), static_cast<int>(kept.size()), MPI_BYTE, to, tag, comm_.get(), &request), "MPI_Isend");
}

void Outbox::finish() {
  check(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  requests_.clear();
  messages_->clear();
}

Bytes receive(const Communicator& comm, int from, std::size_t bytes) {
  Bytes message(bytes);
  check(MPI_Recv(message.data(), static_cast<int>(bytes), MPI_BYTE, from, tag, comm.get(), MPI_STATUS_IGNORE), "MPI_Recv");
  return message;
}

}  // namespace holdfast::mpi
