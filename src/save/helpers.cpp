#include "save/helpers.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "settings/settings.hpp"
#include "transport/messages.hpp"
#include "wrap/mpi_finalize.hpp"

namespace holdfast::save {
namespace {

/// Longest wait for the end of a helper, which then only has to finalize MPI.
constexpr double exit_timeout_s = 10;
/// Longest wait for the end of a living helper after another one has died.
constexpr double leftover_timeout_s = 2;

/// Names the task and the array too, since users know an array job by them.
std::string slurm_job_in_words() {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) return {};
  const char *array = std::getenv("SLURM_ARRAY_JOB_ID"), *task = std::getenv("SLURM_ARRAY_TASK_ID");
  if (array == nullptr || task == nullptr) return fmt::format(", Slurm job {}", job);
  return fmt::format(", Slurm job {} (task {} of array {})", job, task, array);
}

std::string job_in_words() {
  return fmt::format("host {}, pid {}{}, since {:%Y-%m-%dT%H:%M:%SZ}", host_name(), getpid(), slurm_job_in_words(),
                     fmt::gmtime(std::time(nullptr)));
}

/// Kills a helper when the program ends.
class LastKill final : public mpi::FinalizeListener {
 public:
  explicit LastKill(std::shared_ptr<HelperClient> client) : client_(std::move(client)) {}
  void on_finalize() noexcept override { client_->connection().kill_helper(); }

 private:
  std::shared_ptr<HelperClient> client_;
};

}  // namespace

Helpers::Helpers(const mpi::Communicator& comm, const Options& options) : comm_(comm), options_(options) {
  start();
}

void Helpers::start() {
  const Deadline deadline{Seconds(options_.launch_timeout_s)};
  launch::Started started = launch::start_helpers(comm_, options_);
  launcher_ = std::move(started.launcher);
  options_.helper_program = started.program;  // later helpers run the same program, even after a change of directory
  ranks_on_node_ = started.placement.ranks_on_node;
  client_ = std::make_shared<HelperClient>(
      std::move(started.connection),
      HelperClient::Terms{.helper_timeout_s = options_.helper_timeout_s,
                          .why_irreplaceable = launcher_->why_irreplaceable(),
                          .note_lost_save = comm_.rank() == 0 ? lost_saves_log(options_) : NoteLostSave{}});
  try {
    mpi::all_or_none(comm_, [&] { say_hello(deadline, started.placement.helper_ranks); });
  } catch (...) {
    transport::take_leave(client_->connection());
    client_->disconnect();
    await_end();
    throw;
  }
}

void Helpers::say_hello(Deadline deadline, int helper_ranks) {
  const transport::Hello hello{.rank = comm_.rank(),
                               .world_size = comm_.size(),
                               .helper_ranks = helper_ranks,
                               .options = settings::encode(options_),
                               .job = job_in_words(),
                               .lock_timeout_s = deadline.left().count() / 2,  // the rest of the time is for the answer
                               .launcher = launcher_->name(),
                               .replaceable = launcher_->why_irreplaceable().empty()};
  const auto welcome = client_->ask<transport::Welcome>(hello, deadline);
  newest_sequence_ = welcome.newest_sequence;
  head_sequence_ = welcome.head_sequence;
}

Error Helpers::agree_on_loss() const {
  Error cause(ErrorCode::helper_lost, "a helper is gone");
  try {
    mpi::agree(comm_, client_->lost());
  } catch (const Error& error) {
    cause = error;
  }
  if (!launcher_->why_irreplaceable().empty()) throw Error(cause);
  return cause;
}

void Helpers::replace() {
  client_->disconnect();
  if (!launcher_->finish(client_->connection(), Deadline(Seconds(leftover_timeout_s))))
    client_->connection().kill_helper();
  start();
}

void Helpers::let_go(Deadline deadline) {
  if (client_->lost()) return;
  static_cast<void>(client_->ask<transport::Closed>(transport::Bye{.time_left_s = deadline.left().count()}, deadline));
  was_let_go_ = true;
}

/// Kills a lost helper that has not ended by itself, since a launcher would wait for it for ever. If the job ends with
/// the helper, it is killed only when the program ends, so that the program can finish its work.
void Helpers::end_if_lost() {
  if (was_let_go_ || !client_->lost()) return;
  is_left_behind_ = !launcher_->why_irreplaceable().empty();
  if (is_left_behind_)
    mpi::remember_until_finalize(make_owned<LastKill>(client_));
  else
    client_->connection().kill_helper();
}

void Helpers::await_end() noexcept {
  if (is_left_behind_) return;
  if (!launcher_->finish(client_->connection(), Deadline(Seconds(exit_timeout_s))))
    log::warning("the helper (pid {}) has not ended {} s after its ranks left it", client_->connection().helper_pid(),
                 exit_timeout_s);
}

}  // namespace holdfast::save
