#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Two numbers from one member of a communicator to another.
struct Letter {
  std::int64_t kind = 0, value = 0;
};

/// Letters between the members of a communicator, in any order and at any time. Nothing here waits for anybody, be they dead.
/// For one thread, beside another one that makes the collective calls (MPI_THREAD_MULTIPLE).
class Letters {
 public:
  /// `comm` is borrowed; nothing else uses point-to-point messages there.
  explicit Letters(const Communicator& comm) : comm_(comm), sent_(static_cast<std::size_t>(comm.size())) {}
  Letters(const Letters&) = delete;
  Letters& operator=(const Letters&) = delete;
  ~Letters();

  /// False, and nothing is sent, while the last letter to that member is under way.
  bool send(int to, Letter letter);
  /// The next one that has arrived, and from whom.
  struct Arrived {
    int from = -1;
    Letter letter;
  };
  [[nodiscard]] std::optional<Arrived> take();

 private:
  struct Sent {
    MPI_Request request = MPI_REQUEST_NULL;
    std::array<std::int64_t, 2> numbers{};
  };

  const Communicator& comm_;
  std::vector<Sent> sent_;  ///< the last one to each member
};

}  // namespace holdfast::mpi
