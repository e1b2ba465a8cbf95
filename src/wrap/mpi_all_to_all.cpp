#include "wrap/mpi_all_to_all.hpp"

#include <algorithm>
#include <memory>

namespace holdfast::mpi {
namespace {

/// No other message has it: those of an Outbox have small numbers.
constexpr int tag = 32767;

/// What is on its way to others.
class Outgoing {
 public:
  Outgoing(const Communicator& comm, std::vector<Bytes> bags, std::size_t message_bytes)
      : comm_(comm), bags_(std::make_unique<std::vector<Bytes>>(std::move(bags))), message_bytes_(message_bytes) {}
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  /// After a failure what has not gone out is left to MPI, which may still read it.
  ~Outgoing() {
    if (!requests_.empty()) static_cast<void>(bags_.release());
  }

  /// The last message is shorter than the others, if need be empty, which tells the receiver that it is the last.
  void send(int to) {
    const Bytes& bag = (*bags_)[static_cast<std::size_t>(to)];
    for (std::size_t begin = 0; begin <= bag.size(); begin += message_bytes_) {
      const auto count = static_cast<int>(std::min(bag.size() - begin, message_bytes_));
      check(MPI_Isend(bag.data() + begin, count, MPI_BYTE, to, tag, comm_.get(), &requests_.emplace_back(MPI_REQUEST_NULL)),
            "MPI_Isend");
    }
  }
  void finish() {
    check(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    requests_.clear();
  }

 private:
  const Communicator& comm_;
  std::unique_ptr<std::vector<Bytes>> bags_;
  std::size_t message_bytes_;
  std::vector<MPI_Request> requests_;
};

/// Waits for the next message, and puts it behind what is there. How long it was.
std::size_t receive(const Communicator& comm, int from, Bytes& bag) {
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status{};
  int count = 0;
  check(MPI_Mprobe(from, tag, comm.get(), &message, &status), "MPI_Mprobe");
  check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
  const std::size_t begin = bag.size();
  bag.resize(begin + static_cast<std::size_t>(count));
  check(MPI_Mrecv(bag.data() + begin, count, MPI_BYTE, &message, MPI_STATUS_IGNORE), "MPI_Mrecv");
  return static_cast<std::size_t>(count);
}

}  // namespace

std::vector<Bytes> all_to_all(const Communicator& comm, std::vector<Bytes> out, std::size_t message_bytes) {
  const int rank = comm.rank(), ranks = comm.size();
  std::vector<Bytes> in(out.size());
  in[static_cast<std::size_t>(rank)] = std::move(out[static_cast<std::size_t>(rank)]);
  Outgoing outgoing(comm, std::move(out), message_bytes);
  for (int step = 1; step < ranks; ++step) outgoing.send((rank + step) % ranks);
  for (int step = 1; step < ranks; ++step) {
    const int from = (rank + ranks - step) % ranks;
    while (receive(comm, from, in[static_cast<std::size_t>(from)]) == message_bytes) {
    }
  }
  outgoing.finish();
  return in;
}

}  // namespace holdfast::mpi
