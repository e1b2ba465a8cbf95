// The Saver's helpers: how they start, are replaced, and end.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "api/finalize.hpp"
#include "api/saver.hpp"
#include "base/cores.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "stage/cuda_stager.hpp"
#include "transport/messages.hpp"

namespace holdfast::api {
namespace {

/// Longest wait for a helper that has nothing left to do. It only has to finalize MPI.
constexpr double exit_timeout_s = 10;
/// What a living helper gets to end its saves and itself when another one has died.
constexpr double leftover_timeout_s = 2;

/// Of an array, by the number that its user knows it by, too.
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

std::vector<std::string> flattened(const mpi::Hints& hints) {
  std::vector<std::string> words;
  for (const auto& [key, value] : hints) words.insert(words.end(), {key, value});
  return words;
}

/// Once in a process.
void tell_of_binding(int stage_threads, int ranks_on_node) {
  static std::atomic<bool> told = false;
  const std::string words = stage::binding_in_words(stage_threads, allowed_cores(), online_cores(), ranks_on_node);
  if (words.empty() || told.exchange(true)) return;
  log::write(stage_threads == 0 ? log::Level::info : log::Level::warning, words);
}

/// Ends a helper when the program ends.
class LastKill final : public FinalizeListener {
 public:
  explicit LastKill(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  void on_finalize() noexcept override { line_->connection().kill_helper(); }

 private:
  std::shared_ptr<Line> line_;
};

}  // namespace

void Saver::start_helpers() {
  const Deadline deadline{Seconds(options_.launch_timeout_s)};
  launch::Started started = launch::start_helpers(comm_, options_);
  launcher_ = std::move(started.launcher);
  options_.helper = started.program;  // those that take their place are the same program, wherever this one has changed to
  line_ = std::make_shared<Line>(std::move(started.connection), Line::Terms{.helper_timeout_s = options_.helper_timeout_s,
                                                                            .why_irreplaceable = launcher_->why_irreplaceable(),
                                                                            .note_lost_save = note_lost_save_});
  const int threads =
      options_.stage_threads > 0 ? options_.stage_threads : stage::default_stage_threads(started.placement.ranks_on_node);
  stager_ = std::make_shared<stage::CudaStager>(threads);
  if (comm_.rank() == 0) tell_of_binding(options_.stage_threads, started.placement.ranks_on_node);
  try {
    mpi::all_or_none(comm_, [&] { say_hello(deadline, started); });
  } catch (...) {
    take_leave();
    await_end();
    throw;
  }
}

void Saver::say_hello(const Deadline& deadline, const launch::Started& started) {
  const transport::Hello hello{.rank = comm_.rank(),
                               .world_size = comm_.size(),
                               .helper_ranks = started.placement.helper_ranks,
                               .directory = options_.directory.string(),
                               .keep_last = options_.keep_last,
                               .keep_every = options_.keep_every,
                               .job = job_in_words(),
                               .lock_timeout_s = deadline.left().count() / 2,  // the answer has to be in time, too
                               .launcher = launcher_->name(),
                               .mpi_io = options_.mpi_io,
                               .mpi_io_hints = flattened(options_.mpi_io_hints),
                               .alignment_bytes = options_.alignment_bytes,
                               .write_limit_bytes_per_s = options_.write_limit_bytes_per_s,
                               .helper_cores = options_.helper_cores,
                               .engine = options_.engine,
                               .file_mode = options_.file_mode,
                               .recycle_files = options_.recycle_files,
                               .save_timeout_s = options_.save_timeout_s,
                               .replaceable = launcher_->why_irreplaceable().empty()};
  const auto welcome = line_->ask<transport::Welcome>(hello, deadline);
  succession_.opened(welcome.newest_sequence, welcome.head_sequence);
}

/// Collective. New helpers in place of lost ones; nothing of the old ones is used again. Where none can be had, the old ones are
/// left alone, since the job would end with them.
void Saver::restart() {
  const Error cause = agree_on_loss();
  if (!launcher_->why_irreplaceable().empty()) throw Error(cause);
  log::info("starting new helpers: {}", cause.what());
  plans_ = {};
  give_up_saves(cause);
  slots_ = {};
  line_->disconnect();
  if (!launcher_->finish(line_->connection(), Deadline(Seconds(leftover_timeout_s)))) line_->connection().kill_helper();
  start_helpers();
}

/// Collective, where some rank has lost its helper: what the lowest such rank knows of it.
Error Saver::agree_on_loss() {
  try {
    mpi::agree(comm_, line_->lost());
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::helper_lost, "a helper is gone"};
}

/// Some helper died, so no save in flight can be committed any more. A helper that lives may not know: it waits for the dead.
void Saver::give_up_saves(const Error& cause) {
  const Deadline deadline{Seconds(leftover_timeout_s)};
  for (Slot& slot : slots_) {
    if (!slot.save) continue;
    if (!slot.save->settle(deadline)) {
      line_->give_up(cause);
      static_cast<void>(slot.save->settle(deadline));
    }
    note_failure(*slot.save);
  }
}

/// The helper takes a rank that says nothing before it ends for one that has died.
void Saver::take_leave() noexcept {
  try {
    line_->send(transport::Bye{}, Deadline(Seconds(0)));
  } catch (...) {
    log::debug("the helper is not told that this rank leaves it: {}", current_error().what());
  }
}

void Saver::await_end() noexcept {
  line_->disconnect();
  if (abandoned_) return;
  if (!launcher_->finish(line_->connection(), Deadline(Seconds(exit_timeout_s))))
    log::warning("the helper (pid {}) has not ended {} s after its ranks left it", line_->connection().helper_pid(),
                 exit_timeout_s);
}

/// If it has not ended by itself, nothing can be expected of it any more, and a launcher would wait for it for ever. Where the
/// job ends with it, that has time until the program has done its last work.
void Saver::end_lost_helper() {
  if (launcher_->why_irreplaceable().empty()) return line_->connection().kill_helper();
  abandoned_ = true;
  remember_until_finalize(make_owned<LastKill>(line_));
}

std::optional<Error> Saver::close() {
  const Deadline deadline{Seconds(options_.close_timeout_s)};
  std::optional<Error> problem;
  bool let_go = false;
  try {
    settle_all(deadline);
    if (!line_->lost()) {
      static_cast<void>(line_->ask<transport::Closed>(transport::Bye{}, deadline));
      let_go = true;
    }
  } catch (...) {
    problem = current_error();
  }
  if (!let_go && line_->lost()) end_lost_helper();
  slots_ = {};
  line_->disconnect();
  return problem ? problem : unseen_failure_;
}

void Saver::free() {
  grid_.free();
  node_.free();
}

}  // namespace holdfast::api
