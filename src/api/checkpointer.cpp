// Joins saving (save/saver.cpp) and loading (load/loader.cpp) in one object, and closes it in time.
#include <fmt/format.h>

#include <algorithm>
#include <holdfast/checkpointer.hpp>
#include <vector>

#include "api/request_monitor.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "load/loader.hpp"
#include "save/saver.hpp"
#include "settings/settings.hpp"
#include "stage/host_stager.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/read/source.hpp"
#include "wrap/hdf5_library.hpp"
#include "wrap/mpi.hpp"
#include "wrap/mpi_finalize.hpp"

namespace holdfast {
namespace {

std::filesystem::path absolute_here(const std::filesystem::path& path) {
  if (path.empty() || path.is_absolute()) return path;
  std::error_code problem;
  const std::filesystem::path here = std::filesystem::current_path(problem);
  if (problem)
    throw Error(ErrorCode::storage,
                "the path is relative, and the current directory is not there: " + problem.message(),
                {.host = host_name(), .path = path.string()});
  return here / path;
}

/// Makes the paths absolute, since the program may change its working directory later. A program without a folder is
/// looked up on PATH.
void make_absolute(Options& options) {
  options.directory = absolute_here(options.directory);
  options.helper_program = absolute_here(options.helper_program);
  std::vector<std::string>& program = options.after_commit;
  if (!program.empty() && program[0].find('/') != std::string::npos) program[0] = absolute_here(program[0]).string();
}

/// Collective. Completes the options from the environment, checks them, and compares them between ranks.
void settle(const mpi::Communicator& comm, Options& options) {
  mpi::all_or_none(comm, [&] {
    options = settings::with_environment(std::move(options));
    settings::copy_as_environment_says();
    settings::check(options);
    make_absolute(options);
  });
  settings::require_same(comm, options);
}

bool same_directory(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code missing;  // a directory that does not exist yet is not in use
  return a == b || std::filesystem::equivalent(a, b, missing);
}

/// Newest step of the line whose file can be opened; -1 if there is none.
std::int64_t newest_step(const std::filesystem::path& directory) {
  for (const storage::Candidate& candidate : storage::candidates_in(directory)) {
    try {
      if (candidate.problem) throw Error(*candidate.problem);
      return storage::open_whole(directory / storage::file_name(candidate.step))->info().step;
    } catch (const Error& error) {
      log::warning("the checkpoint of step {} is passed over: {}", candidate.step, error.what());
    }
  }
  return -1;
}

}  // namespace

class Checkpointer::Impl final : public mpi::FinalizeListener {
 public:
  Impl(MPI_Comm comm, Options options) : comm_(mpi::Communicator::duplicate(comm)), options_(std::move(options)) {
    try {
      settle(comm_, options_);
      succeed();
      mpi::all_or_none(comm_, [&] {
        hdf5::require_own_library();
        requests_.emplace(comm_, options_);
      });
      if (!options_.read_only) saver_ = std::make_unique<save::Saver>(comm_, options_);
    } catch (...) {
      comm_.free();  // collective: every rank threw the same Error
      throw;
    }
  }

  save::Saver& saver() {
    check_open();
    if (!saver_)
      throw Error(ErrorCode::invalid_state, "the Checkpointer was opened with read_only",
                  {.path = options_.directory.string()});
    return *saver_;
  }

  std::shared_ptr<save::Save> async_save(std::int64_t step, const StateDict& state, const SaveOptions& options,
                                         const SavePlanner& planner) {
    std::shared_ptr<save::Save> save = saver().async_save(step, state, options, planner);
    watched_.push_back(save);
    if (!save->skipped()) requests_->saved();
    return save;
  }

  Requests requests() {
    check_open();
    return requests_->ask();
  }

  LoadReport load(StateDict& state, const LoadOptions& options, const LoadPlanner& planner) {
    check_open();
    mpi::all_or_none(comm_, [&] { settings::check(options); });
    settings::require_same(comm_, options);
    const bool goes_on = goes_on_from_loaded(options);
    LoadReport report = load::load(comm_, options_.directory, state, options, planner, load_threads());
    if (goes_on) saver_->go_on_from(report.sequence);
    if (saver_ && comm_.rank() == 0) load::note(options_.directory, report, comm_.size(), options_.file_mode);
    return report;
  }

  /// Collective. Whether the saves after this load go on from what it loads, which has to be of this directory.
  bool goes_on_from_loaded(const LoadOptions& options) {
    if (!saver_ || options.saves_go_on_from == GoOnFrom::newest) return false;
    const bool is_wanted = options.saves_go_on_from == GoOnFrom::loaded;
    if (!is_wanted && options.strict != Strict::exact) return false;
    if (options.file.empty()) return true;
    const std::filesystem::path file = options_.directory / options.file;
    bool is_own = comm_.rank() == 0 && storage::is_checkpoint_of(options_.directory, file);
    mpi::broadcast_value(comm_, is_own, 0);
    if (is_wanted && !is_own)
      throw Error(
          ErrorCode::invalid_argument,
          "saves cannot go on from a file that is no checkpoint of the directory (LoadOptions::saves_go_on_from)",
          {.path = file.string()});
    return is_own;
  }

  /// Collective on the first call. Returns the number of threads that stage a save.
  int load_threads() {
    if (options_.stage_threads > 0) return options_.stage_threads;
    if (load_threads_ == 0) {
      mpi::Communicator node = comm_.split_by_node();
      load_threads_ = stage::default_stage_threads(node.size());
      node.free();
    }
    return load_threads_;
  }

  std::optional<std::int64_t> latest() {
    check_open();
    std::int64_t step = -1;
    mpi::all_or_none(comm_, [&] {
      if (comm_.rank() == 0) step = newest_step(options_.directory);
    });
    mpi::broadcast_value(comm_, step, 0);
    return step >= 0 ? std::optional(step) : std::nullopt;
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    const std::optional<Error> problem = saver_ ? saver_->close() : std::nullopt;
    std::optional<Error> shared;
    try {
      mpi::agree(comm_, problem);
    } catch (const Error& error) {
      shared = error;
    }
    tell_of_saves();
    if (saver_) {
      saver_->await_end();
      saver_->free();
    }
    comm_.free();
    requests_.reset();  // last, so that a signal during the wait for the commit does not end the program
    if (shared) throw *shared;
  }

  void on_finalize() noexcept override { close_alone("a Checkpointer that was left to MPI_Finalize"); }

  /// The program has destroyed its Checkpointer.
  void abandon() noexcept { abandoned_ = true; }

 private:
  /// Collective. Frees the directories, helpers and arenas of Checkpointers that the program, by an exception for
  /// example, has destroyed without close(). Throws while another Checkpointer uses this directory. The communicators
  /// of the former Checkpointers stay, since not all of their ranks may have destroyed them.
  void succeed() {
    const std::vector<std::shared_ptr<Impl>> others = open_ones();
    mpi::all_or_none(comm_, [&] {
      for (const auto& other : others) require_free(*other);
    });
    for (const auto& other : others)
      if (succeeds(*other)) other->close_alone("a Checkpointer that was destroyed without close()");
    comm_.barrier();  // a helper ends when all of its ranks have left it
    for (const auto& other : others)
      if (succeeds(*other)) other->retire();
  }

  static std::vector<std::shared_ptr<Impl>> open_ones() {
    std::vector<std::shared_ptr<Impl>> all;
    for (const auto& listener : mpi::remembered())
      if (auto impl = std::dynamic_pointer_cast<Impl>(listener)) all.push_back(std::move(impl));
    return all;
  }

  [[nodiscard]] bool succeeds(const Impl& other) const { return other.abandoned_ && other.comm_.is_part_of(comm_); }

  void require_free(const Impl& other) const {
    if (options_.read_only || !other.saver_ || succeeds(other)) return;
    if (!same_directory(options_.directory, other.options_.directory)) return;
    throw Error(ErrorCode::in_use,
                other.abandoned_
                    ? "a Checkpointer that this program destroyed without close() still has this directory; make the "
                      "next one on all of its ranks, which ends it"
                    : "a Checkpointer of this program saves here; close() it on all ranks before another one begins",
                {.host = host_name(), .path = options_.directory.string()});
  }

  /// Local. Waits for saves in flight and lets the helper go.
  void close_alone(const char* which) noexcept {
    if (closed_) return;
    closed_ = true;
    if (const std::optional<Error> problem = saver_ ? saver_->close() : std::nullopt)
      log::warning("{}: {}", which, problem->what());
    requests_.reset();
  }

  void retire() noexcept {
    if (saver_) saver_->await_end();
    mpi::forget(this);
  }

  /// Begins a call of the program's.
  void check_open() {
    if (closed_)
      throw Error(ErrorCode::invalid_state, "the Checkpointer is closed", {.path = options_.directory.string()});
    tell_of_saves();
  }

  /// Local. Tells the program of saves that have ended (SaveFuture::on_done), and forgets those that nobody asks for.
  void tell_of_saves() {
    std::vector<std::shared_ptr<save::Save>> ended;
    std::erase_if(watched_, [&](const std::shared_ptr<save::Save>& save) {
      if (!save->ready()) return false;
      if (save->tells()) ended.push_back(save);
      return save->tells() || save.use_count() == 1;
    });
    for (const auto& save : ended) save->tell_done();
  }

  mpi::Communicator comm_;
  Options options_;
  std::optional<api::RequestMonitor> requests_;
  std::unique_ptr<save::Saver> saver_;
  std::vector<std::shared_ptr<save::Save>> watched_;  ///< saves of which the program may want to be told
  bool closed_ = false;
  bool abandoned_ = false;
  int load_threads_ = 0;
};

namespace {

template <class Impl>
Impl& checked(const std::shared_ptr<Impl>& impl) {
  if (!impl) throw Error(ErrorCode::invalid_state, "the Checkpointer was moved from");
  require_owner(impl, "Checkpointer");
  return *impl;
}

}  // namespace

Checkpointer::Checkpointer(MPI_Comm comm, Options options) : impl_(make_owned<Impl>(comm, std::move(options))) {
  mpi::remember_until_finalize(impl_);
}
Checkpointer::Checkpointer(Checkpointer&&) noexcept = default;
Checkpointer& Checkpointer::operator=(Checkpointer&& other) noexcept {
  if (this == &other) return *this;
  Checkpointer former(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}
Checkpointer::~Checkpointer() {
  if (impl_) impl_->abandon();
}

void Checkpointer::warm_up(const StateDict& state, const SavePlanner& planner) {
  checked(impl_).saver().warm_up(state, planner);
}
SaveFuture Checkpointer::async_save(std::int64_t step, const StateDict& state, SaveOptions options,
                                    const SavePlanner& planner) {
  return SaveFuture(checked(impl_).async_save(step, state, options, planner));
}
LoadReport Checkpointer::load(StateDict& state, LoadOptions options, const LoadPlanner& planner) {
  return checked(impl_).load(state, options, planner);
}
std::optional<std::int64_t> Checkpointer::latest() {
  return checked(impl_).latest();
}

Requests Checkpointer::requests() {
  return checked(impl_).requests();
}

void Checkpointer::close() {
  Impl& impl = checked(impl_);
  mpi::forget(&impl);
  impl.close();
}

Shard shard_1d(MPI_Comm comm, std::uint64_t count) {
  mpi::Communicator own = mpi::Communicator::duplicate(comm);
  const std::uint64_t before = own.exclusive_sum(count);
  std::uint64_t all = count;
  own.allreduce(std::span(&all, 1), MPI_SUM);
  own.free();
  return {.global = {all}, .offset = {before}, .extent = {count}};
}

}  // namespace holdfast
