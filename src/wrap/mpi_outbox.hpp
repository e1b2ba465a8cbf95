#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Messages on one subject, a number (MPI's tag), to other members of a communicator, in the order in which they were sent to
/// each. The sender goes on at once; a message leaves its memory when the receiver has come to take it, so that nobody's memory
/// fills up with what a slower one has not taken.
class Outbox {
 public:
  /// `comm` is borrowed.
  Outbox(const Communicator& comm, int subject) : comm_(&comm), subject_(subject) {}
  Outbox(Outbox&&) = default;
  Outbox& operator=(Outbox&&) = delete;
  /// After a failure, before finish(): what has not gone out is left to MPI, which may still read it.
  ~Outbox();

  void send(int to, Bytes message);
  /// One that goes to several.
  void send(int to, std::shared_ptr<const Bytes> message);
  /// Forgets those that have been taken. Have all?
  bool all_taken();
  /// Waits until they have.
  void finish();

 private:
  struct Sent {
    MPI_Request request = MPI_REQUEST_NULL;
    std::shared_ptr<const Bytes> message;
  };

  const Communicator* comm_;
  int subject_;
  std::deque<Sent> sent_;
};

/// Waits for the next message of that member on the subject, which is so long.
[[nodiscard]] Bytes receive(const Communicator& comm, int from, int subject, std::size_t bytes);
/// The same, into memory that is there.
void receive(const Communicator& comm, int from, int subject, std::span<std::byte> message);

}  // namespace holdfast::mpi
