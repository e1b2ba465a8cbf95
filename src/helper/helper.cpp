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

/// The helper ends when its ranks are gone, not when a scheduler or terminal signals the whole job: what is staged by then
/// is still to be written. A file-size limit is an error of the write, not the helper's end. SIGKILL ends it at once.
void ignore_signals_to_the_job() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

/// Lets training have the cores first, and the disk where its scheduler knows priorities. Threads inherit both.
void be_nice() {
  constexpr int who_process = 1, best_effort_last = (2 << 13) | 7;  // of ioprio_set(2), which has no header
  if (setpriority(PRIO_PROCESS, 0, 5) != 0) log::debug("nice: {}", errno_text(errno));
  if (syscall(SYS_ioprio_set, who_process, 0, best_effort_last) != 0) log::debug("ioprio_set: {}", errno_text(errno));
}

/// The drain hangs in MPI or in the file system, and cannot be called back: only the process's end ends that. Where the job would
/// end with it, that waits until the job ends anyway.
[[noreturn]] void leave_at_once(const Server& server, const Service& service) noexcept {
  if (!server.may_leave()) service.await_program_end ? service.await_program_end() : server.await_ranks_end();
  _exit(1);
}

/// The serving thread. Without it nobody can ask for anything more.
void serve_ranks(Server& server, Mailbox<Job>& jobs, const Service& service) {
  try {
    server.run();
  } catch (...) {
    log::write(log::Level::error, current_error().what());
    jobs.push(LeaveJob{});
  }
  if (server.gave_up()) leave_at_once(server, service);
}

/// However the drain ends, the server ends after it.
struct Ending {
  Server& server;
  ~Ending() { server.finish(); }
};

void report_failure() noexcept {
  log::write(log::Level::error, current_error().what());
}

/// All helpers listen, or none serves.
std::unique_ptr<transport::Service> listen(const Service& service, const mpi::Communicator& helpers) {
  helpers.meet();
  mpi::Communicator node = helpers.split_by_node();
  const int number_on_node = node.rank();
  node.free();
  std::unique_ptr<transport::Service> ranks;
  mpi::all_or_none(helpers, [&] { ranks = transport::listen(transport::helper_address(service.nonce, number_on_node)); });
  return ranks;
}

}  // namespace

void become_helper() {
  ignore_signals_to_the_job();
  be_nice();
}

void serve(const Service& service, const mpi::Communicator& helpers) noexcept {
  try {
    const auto ranks = listen(service, helpers);
    Mailbox<Job> jobs;
    std::optional<Server> server;
    const auto report = [&](Outcome outcome) { server->report(std::move(outcome)); };
    PeerWatch peers(helpers, report);
    server.emplace(*ranks, jobs, peers, service);
    peers.start(service.helper_timeout_s);
    const std::jthread serving([&] { serve_ranks(*server, jobs, service); });
    const Ending ending{*server};
    Drain drain(helpers, service.nonce, peers, report);
    drain.run(jobs);
  } catch (...) {
    report_failure();
  }
}

int run(const Service& service) {
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
