#include "api/request_monitor.hpp"

#include <algorithm>

namespace holdfast::api {
namespace {

// Bits of the number that ask() reduces over the ranks.
constexpr std::uint64_t to_save = 1, to_halt = 2, by_signal = 4;

}  // namespace

RequestMonitor::RequestMonitor(const mpi::Communicator& comm, const Options& options)
    : comm_(comm),
      watches_(options.preemption_signals.begin(), options.preemption_signals.end()),
      files_(options.directory, !options.read_only) {}

/// Returns the requests that this rank has noticed. Only rank 0 looks for the files, to spare the file system.
std::uint64_t RequestMonitor::look() noexcept {
  std::uint64_t asked = std::ranges::any_of(watches_, &SignalWatch::seen) ? by_signal : 0;
  if (comm_.rank() != 0) return asked;
  const auto found = files_.look();
  if (found.save_now) asked |= to_save;
  if (found.halt) asked |= to_halt;
  return asked;
}

Requests RequestMonitor::ask() {
  for (const SignalWatch& watch : watches_) watch.check();
  std::uint64_t asked = look();
  comm_.allreduce(std::span(&asked, 1), MPI_BOR);
  if ((asked & to_save) != 0) known_.save = true;
  if ((asked & to_halt) != 0) known_.halt = true;
  if ((asked & (to_halt | by_signal)) != 0) known_.stop = true;
  return known_;
}

}  // namespace holdfast::api
