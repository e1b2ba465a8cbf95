#include "helper/helper.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "helper/drain.hpp"
#include "helper/server.hpp"
#include "transport/service.hpp"

namespace holdfast::helper {
namespace {

/// The helper ends when its ranks are gone, not when a scheduler or terminal signals the whole job: what is staged by
/// then is still to be written. Exceeding a file-size limit fails the write, not the helper. SIGKILL ends it at once.
void ignore_signals_to_the_job() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

/// Lowers the priority for cores, and for the disk where its scheduler knows priorities. Threads inherit both.
void be_nice() {
  constexpr int who_process = 1, best_effort_last = (2 << 13) | 7;  // arguments of ioprio_set(2), which has no header
  if (setpriority(PRIO_PROCESS, 0, 5) != 0) log::debug("nice: {}", errno_text(errno));
  if (syscall(SYS_ioprio_set, who_process, 0, best_effort_last) != 0) log::debug("ioprio_set: {}", errno_text(errno));
}

/// The drain hangs in MPI or in the file system, and only the end of the process ends that. Where the job would end
/// with this process, it waits until the job ends anyway.
[[noreturn]] void leave_at_once(const Server& server, const ServeOptions& service) noexcept {
  if (!server.may_leave()) {
    if (service.await_program_end)
      service.await_program_end();
    else
      server.await_ranks_end();
  }
  _exit(1);
}

/// The body of the serving thread. If it fails, no job can come any more, so the drain leaves.
void serve_ranks(Server& server, Mailbox<Job>& jobs, AfterCommit& after_commit, const ServeOptions& service) {
  try {
    server.run();
  } catch (...) {
    log::write(log::Level::error, current_error().what());
    jobs.push(LeaveJob{});
  }
  if (!server.gave_up()) return;
  after_commit.end();
  leave_at_once(server, service);
}

/// Ends the server when the drain has ended, even by an exception.
struct Ending {
  Server& server;
  ~Ending() { server.finish(); }
};

void report_failure() noexcept {
  log::write(log::Level::error, current_error().what());
}

/// Collective. All helpers listen, or all throw.
std::unique_ptr<transport::Service> listen(const ServeOptions& service, const mpi::Communicator& helpers) {
  helpers.meet();
  mpi::Communicator node = helpers.split_by_node();
  const int number_on_node = node.rank();
  node.free();
  std::unique_ptr<transport::Service> ranks;
  mpi::all_or_none(helpers,
                   [&] { ranks = transport::listen(transport::helper_address(service.nonce, number_on_node)); });
  return ranks;
}

}  // namespace

void become_helper() {
  ignore_signals_to_the_job();
  be_nice();
}

void serve(const ServeOptions& service, const mpi::Communicator& helpers) noexcept {
  try {
    const auto ranks = listen(service, helpers);
    Mailbox<Job> jobs;
    std::optional<Server> server;
    const auto report = [&](Outcome outcome) { server->report(std::move(outcome)); };
    HeartbeatMonitor monitor(helpers, report);
    AfterCommit after_commit([&] { report(AfterCommitEnded{}); });
    server.emplace(*ranks, jobs, monitor, service);
    monitor.start(service.helper_timeout_s);
    const std::jthread serving([&] { serve_ranks(*server, jobs, after_commit, service); });
    const Ending ending{*server};
    Drain drain(helpers, service.nonce, monitor, after_commit, report);
    drain.run(jobs);
  } catch (...) {
    report_failure();
  }
}

int run(const ServeOptions& service) {
  become_helper();
  try {
    mpi::initialize();
    serve(service, mpi::Communicator::duplicate(MPI_COMM_WORLD).asleep());
    mpi::finalize();
  } catch (...) {
    report_failure();
  }
  return 0;
}

}  // namespace holdfast::helper
