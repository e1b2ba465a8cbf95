#include "wrap/mpi_all_to_all.hpp"

#include <algorithm>
#include <memory>

namespace holdfast::mpi {
namespace {

/// Used by no other message: the subjects of a SendQueue are small numbers.
constexpr int tag = 32767;

/// The messages to the other ranks, until they are sent.
class Outgoing {
 public:
  Outgoing(const Communicator& comm, std::vector<Bytes> batches, std::size_t message_bytes)
      : comm_(comm),
        batches_(std::make_unique<std::vector<Bytes>>(std::move(batches))),
        message_bytes_(message_bytes) {}
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  /// After a failure, leaks messages that have not been sent: MPI may still read them.
  ~Outgoing() {
    if (!requests_.empty()) static_cast<void>(batches_.release());
  }

  /// Only the last message is shorter than `message_bytes_`, if necessary empty: that tells the receiver that it is the
  /// last.
  void send(int to) {
    const Bytes& batch = (*batches_)[static_cast<std::size_t>(to)];
    for (std::size_t begin = 0; begin <= batch.size(); begin += message_bytes_) {
      const auto count = static_cast<int>(std::min(batch.size() - begin, message_bytes_));
      check(MPI_Isend(batch.data() + begin, count, MPI_BYTE, to, tag, comm_.get(),
                      &requests_.emplace_back(MPI_REQUEST_NULL)),
            "MPI_Isend");
    }
  }
  void finish() {
    check(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    requests_.clear();
  }

 private:
  const Communicator& comm_;
  std::unique_ptr<std::vector<Bytes>> batches_;
  std::size_t message_bytes_;
  std::vector<MPI_Request> requests_;
};

/// Waits for the next message, appends it to `batch` and returns its size.
std::size_t receive(const Communicator& comm, int from, Bytes& batch) {
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status{};
  int count = 0;
  check(MPI_Mprobe(from, tag, comm.get(), &message, &status), "MPI_Mprobe");
  check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
  const std::size_t begin = batch.size();
  batch.resize(begin + static_cast<std::size_t>(count));
  check(MPI_Mrecv(batch.data() + begin, count, MPI_BYTE, &message, MPI_STATUS_IGNORE), "MPI_Mrecv");
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
