#pragma once

#include <holdfast/options.hpp>
#include <vector>

#include "base/signals.hpp"
#include "storage/request_files.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::api {

/// What somebody asks the program for, by signal or by file: noticed on any rank, agreed on all, kept until it is done.
class RequestDesk {
 public:
  /// Local. Watches for Options::preemption_signals as long as it lives; throws for what is no such signal. `comm` is borrowed.
  RequestDesk(const mpi::Communicator& comm, const Options& options);

  /// Collective: one allreduce of one number.
  [[nodiscard]] Requests ask();
  /// Local, by all ranks: the save that was asked for has been taken.
  void saved() noexcept { known_.save = false; }

 private:
  [[nodiscard]] std::uint64_t look() noexcept;

  const mpi::Communicator& comm_;
  std::vector<SignalWatch> watches_;
  storage::RequestFiles files_;
  Requests known_;
};

}  // namespace holdfast::api
