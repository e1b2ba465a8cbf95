#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Messages to other members of a communicator, in the order in which they were sent to each; the sender goes on at once.
class Outbox {
 public:
  /// `comm` is borrowed.
  explicit Outbox(const Communicator& comm) : comm_(comm) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  /// After a failure, before finish(): what has not gone out is left to MPI, which may still read it.
  ~Outbox();

  void send(int to, Bytes message);
  /// Waits until all have gone out.
  void finish();

 private:
  const Communicator& comm_;
  std::unique_ptr<std::deque<Bytes>> messages_ = std::make_unique<std::deque<Bytes>>();
  std::vector<MPI_Request> requests_;
};

/// Waits for the next message of that member, which is so long.
[[nodiscard]] Bytes receive(const Communicator& comm, int from, std::size_t bytes);

}  // namespace holdfast::mpi
