#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Sends messages with one subject, which is MPI's tag, to other members of a communicator. Each receiver gets its
/// messages in the order of sending. Sending does not wait. A message stays in the sender's memory until its receiver
/// takes it, so a slow receiver's memory does not fill up.
class SendQueue {
 public:
  /// `comm` is borrowed.
  SendQueue(const Communicator& comm, int subject) : comm_(&comm), subject_(subject) {}
  SendQueue(SendQueue&&) = default;
  SendQueue& operator=(SendQueue&&) = delete;
  /// Without finish(), after a failure, leaks messages that have not been taken: MPI may still read them.
  ~SendQueue();

  void send(int to, Bytes message);
  /// Sends a message that several calls share.
  void send(int to, std::shared_ptr<const Bytes> message);
  /// Frees the messages that have been taken. Returns whether all have.
  bool all_taken();
  /// Waits until all messages have been taken.
  void finish();

 private:
  struct QueuedMessage {
    MPI_Request request = MPI_REQUEST_NULL;
    std::shared_ptr<const Bytes> message;
  };

  const Communicator* comm_;
  int subject_;
  std::deque<QueuedMessage> sent_;
};

/// Waits for the next message from `from` with that subject, which must be `bytes` long.
[[nodiscard]] Bytes receive(const Communicator& comm, int from, int subject, std::size_t bytes);
/// Waits for the next message, of message.size() bytes, and receives it into `message`.
void receive(const Communicator& comm, int from, int subject, std::span<std::byte> message);

}  // namespace holdfast::mpi
