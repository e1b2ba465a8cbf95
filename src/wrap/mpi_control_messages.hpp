#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Two numbers that one member of a communicator sends to another.
struct ControlMessage {
  std::int64_t kind = 0, value = 0;
};

/// Sends and receives control messages between the members of a communicator, at any time. No call waits, even if a
/// peer is dead. One thread uses it, while another may make collective calls (MPI_THREAD_MULTIPLE).
class ControlMessages {
 public:
  /// `comm` is borrowed; nothing else may use its point-to-point messages.
  explicit ControlMessages(const Communicator& comm) : comm_(comm), sent_(static_cast<std::size_t>(comm.size())) {}
  ControlMessages(const ControlMessages&) = delete;
  ControlMessages& operator=(const ControlMessages&) = delete;
  ~ControlMessages();

  /// Returns false and sends nothing while the last message to that member is in flight.
  bool send(int to, ControlMessage message);
  /// A received message and its sender.
  struct Arrived {
    int from = -1;
    ControlMessage message;
  };
  /// The next message, if one has arrived.
  [[nodiscard]] std::optional<Arrived> take();

 private:
  struct PendingSend {
    MPI_Request request = MPI_REQUEST_NULL;
    std::unique_ptr<std::array<std::int64_t, 2>> numbers = std::make_unique<std::array<std::int64_t, 2>>();
  };

  const Communicator& comm_;
  std::vector<PendingSend> sent_;  ///< last message to each member
};

}  // namespace holdfast::mpi
