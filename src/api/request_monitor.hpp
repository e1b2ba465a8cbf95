#pragma once

#include <holdfast/options.hpp>
#include <vector>

#include "base/signals.hpp"
#include "storage/directory/request_files.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::api {

/// Notices requests to the program, by signal or file, on any rank. All ranks agree on them and keep them until done.
class RequestMonitor {
 public:
  /// Local. Watches for Options::preemption_signals as long as it lives. Throws Error(invalid_argument) for a number
  /// that is no signal, or not one that a program can catch. `comm` is borrowed.
  RequestMonitor(const mpi::Communicator& comm, const Options& options);

  /// Collective: one allreduce of one number.
  [[nodiscard]] Requests ask();
  /// Local, on all ranks. Ends the request to save, since a save was taken.
  void saved() noexcept { known_.save = false; }

 private:
  [[nodiscard]] std::uint64_t look() noexcept;

  const mpi::Communicator& comm_;
  std::vector<SignalWatch> watches_;
  storage::RequestFiles files_;
  Requests known_;
};

}  // namespace holdfast::api
