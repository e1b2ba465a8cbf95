#include "helper/helper.hpp"

#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "helper/drain.hpp"
#include "helper/server.hpp"
#include "transport/service.hpp"

namespace holdfast::helper {
namespace {

/// Longest wait for the ranks' hello; they have given up by then.
constexpr double first_job_timeout_s = 600;

/// The helper ends when its ranks are gone, not when a scheduler or terminal signals the whole job: what is staged by then
/// is still to be written. A file-size limit is an error of the write, not the helper's end. SIGKILL ends it at once.
void ignore_signals_to_the_job() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

/// Lets training have the cores first.
void be_nice() {
  if (setpriority(PRIO_PROCESS, 0, 5) != 0) log::debug("nice: {}", errno_text(errno));
}

/// The serving thread. Without it nobody can ask for anything more.
void serve_ranks(Server& server, Mailbox<Job>& jobs) {
  try {
    server.run();
  } catch (...) {
    log::write(log::Level::error, current_error().what());
    jobs.push(LeaveJob{});
  }
}

/// However the drain ends, the server ends after it.
struct Ending {
  Server& server;
  ~Ending() { server.finish(); }
};

void serve(const std::string& nonce, int index) {
  const auto service = transport::listen(transport::helper_address(nonce, index));
  Mailbox<Job> jobs;
  Server server(*service, jobs);
  const std::jthread serving([&] { serve_ranks(server, jobs); });
  const Ending ending{server};
  Drain drain(mpi::Communicator::duplicate(MPI_COMM_WORLD), nonce, [&](Outcome outcome) { server.report(std::move(outcome)); });
  drain.run(jobs, first_job_timeout_s);
}

void report_failure() noexcept {
  log::write(log::Level::error, current_error().what());
}

}  // namespace

/// MPI is begun and ended whatever happens: a process that leaves without takes the job with it.
int run(const std::string& nonce, int index) {
  ignore_signals_to_the_job();
  be_nice();
  try {
    mpi::initialize();
    try {
      serve(nonce, index);
    } catch (...) {
      report_failure();
    }
    mpi::finalize();
  } catch (...) {
    report_failure();
  }
  return 0;
}

}  // namespace holdfast::helper
