#include "launch/process_launcher.hpp"

#include <fmt/format.h>
#include <poll.h>

#include "base/error_text.hpp"

namespace holdfast::launch {
namespace {

constexpr int pause_ms = 20;

}  // namespace

void ProcessLauncher::start(const mpi::Communicator& comm, const StartRequest& request) {
  mpi::LocalWork work;
  if (comm.rank() == 0)
    work([&] {
      process_.emplace(begin(request));
      wait_for_helper(request);
    });
  failed_.emplace(comm, work.error().has_value());
  if (work.error()) throw Error(*work.error());
  wait_for_helper(request);
}

void ProcessLauncher::finish_start() {
  if (failed_) failed_->finish();
  failed_.reset();
}

/// Waits until this rank's helper listens. Throws if the process ends before; its standard error says why.
void ProcessLauncher::wait_for_helper(const StartRequest& request) {
  const transport::Address address = transport::helper_address(request.nonce, request.placement.number_on_node);
  while (!transport::is_listening(address)) {
    if ((process_ && process_->has_ended(Deadline(Seconds(0)))) || (failed_ && failed_->says_yes()))
      throw Error(ErrorCode::launch, what_ + " ended before it listened; its standard error says why",
                  {.host = host_name()});
    if (request.deadline.over())
      throw Error(ErrorCode::launch, what_ + " did not listen in time (Options::launch_timeout_s)",
                  {.host = host_name()});
    poll(nullptr, 0, request.deadline.poll_ms(pause_ms));
  }
}

}  // namespace holdfast::launch
