#include "load/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "load/file_load.hpp"
#include "plan/local.hpp"
#include "stage/memory_spaces.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/events.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"

namespace holdfast::load {
namespace {

plan::LocalPlan writable_plan(const StateDict& state, const LoadPlanner& planner) {
  const SavePlanner names{.name_in_file = planner.name_in_file};
  plan::PlannerAnswers answers;
  plan::LocalPlan local = plan::make_local_plan(state, answers.of(names));
  for (const StateDict::Tensor& tensor : state.tensors()) plan::check_target(tensor.name, tensor.view);
  return local;
}

/// A checkpoint to try, or one that is only reported as bad. The same on all ranks.
struct Candidate {
  std::int64_t step = -1;  ///< -1: LoadOptions::file
  bool is_bad = false;
  ErrorRecord problem = {};
  static void fields(auto& codec, auto& self) { codec(self.step, self.is_bad, self.problem); }
};

/// Where this rank finds it. An absolute path of a file replaces the directory.
std::filesystem::path path_of(const Candidate& candidate, const std::filesystem::path& directory,
                              const LoadOptions& options) {
  return directory / (candidate.step < 0 ? options.file : std::filesystem::path(storage::file_name(candidate.step)));
}

/// Whether the options say which checkpoint it has to be.
bool is_given(const LoadOptions& options) {
  return options.step >= 0 || !options.file.empty();
}

/// The checkpoint that the options give.
Candidate given_candidate(const std::filesystem::path& directory, const LoadOptions& options) {
  if (options.file.empty()) {
    if (!std::ranges::binary_search(storage::steps_in(directory), options.step))
      throw Error(ErrorCode::not_found, fmt::format("there is no checkpoint of step {}", options.step),
                  {.path = directory.string()});
    return {.step = options.step};
  }
  if (options.step >= 0)
    throw Error(ErrorCode::invalid_argument, "LoadOptions::step and LoadOptions::file cannot both be given");
  const std::filesystem::path path = path_of({}, directory, options);
  if (!std::filesystem::exists(path))
    throw Error(ErrorCode::not_found, "there is no such file (LoadOptions::file)", {.path = path.string()});
  return {};
}

std::vector<Candidate> find_candidates(const std::filesystem::path& directory, const LoadOptions& options) {
  if (is_given(options)) return {given_candidate(directory, options)};
  std::vector<Candidate> candidates;
  for (const storage::Candidate& found : storage::candidates_in(directory))
    candidates.push_back({.step = found.step,
                          .is_bad = found.problem.has_value(),
                          .problem = found.problem ? to_record(*found.problem) : ErrorRecord{}});
  if (candidates.empty())
    throw Error(ErrorCode::not_found, "there is no checkpoint in the directory", {.path = directory.string()});
  return candidates;
}

/// Collective. The candidates that rank 0 finds, newest first.
std::vector<Candidate> agree_on_candidates(const mpi::Communicator& comm, const std::filesystem::path& directory,
                                           const LoadOptions& options) {
  std::vector<Candidate> candidates;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) candidates = find_candidates(directory, options);
  });
  mpi::broadcast_value(comm, candidates, 0);
  return candidates;
}

/// True if the file is to blame, so that an older one may do.
bool damaged(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported_version ||
         error.code() == ErrorCode::storage;
}

/// Names of this rank's items that a damaged file has overwritten.
using Spoiled = std::set<std::string>;

/// Collective. Throws if a damaged file has overwritten an item that the file loaded in its place does not have.
void require_replaced(const mpi::Communicator& comm, const Spoiled& spoiled, const LoadReport& report) {
  mpi::all_or_none(comm, [&] {
    for (const std::string& name : report.missing)
      if (spoiled.contains(name))
        throw Error(ErrorCode::corrupt,
                    "a newer checkpoint, which is damaged, has overwritten what this one does not have "
                    "(LoadOptions::verify_first)",
                    {.path = report.path, .tensor = name});
  });
}

/// Collective. Throws unless all ranks give each name one name in the file, and no two the same. Some ranks may have a
/// planner and others not.
void require_one_to_one(const mpi::Communicator& comm, const plan::LocalPlan& local, const LoadPlanner& planner) {
  std::uint64_t any = planner.name_in_file ? 1 : 0;
  comm.allreduce(std::span(&any, 1), MPI_MAX);
  if (any == 0) return;
  mpi::Grid grid(comm);
  std::vector<plan::Rename> renames = plan::renames_of(local);
  try {
    plan::require_one_to_one(grid, renames, "LoadPlanner::name_in_file");
  } catch (...) {
    grid.free();  // collective: all ranks threw
    throw;
  }
  grid.free();
}

/// Collective. Tells the program of all its names but those that were missing.
void tell_loaded(const mpi::Communicator& comm, const LoadPlanner& planner, const plan::LocalPlan& local,
                 const LoadReport& report) {
  mpi::all_or_none(comm, [&] {
    if (!planner.loaded) return;
    std::set<std::string> told(report.missing.begin(), report.missing.end());
    for (const plan::Item& item : local.items)
      if (told.insert(item.shown()).second) planner.loaded(item.shown());
  });
}

}  // namespace

LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                const LoadOptions& options, const LoadPlanner& planner, int threads) {
  const Stopwatch watch;
  plan::LocalPlan local;
  std::vector<cuda::MemorySpace> spaces;
  mpi::all_or_none(comm, [&] {
    stage::check_stream(options.stream);
    local = writable_plan(state, planner);
    spaces = stage::find_memory_spaces(local);
  });
  require_one_to_one(comm, local, planner);
  std::vector<std::string> skipped;
  std::optional<Error> newest_problem;
  bool is_spoiled = false;
  Spoiled spoiled;
  for (const Candidate& candidate : agree_on_candidates(comm, directory, options)) {
    FileLoad file(comm, {state, local, spaces}, options, planner, threads);
    std::optional<LoadReport> report;
    try {
      if (candidate.is_bad) throw to_error(candidate.problem);
      report = file.run(path_of(candidate, directory, options));
      require_replaced(comm, spoiled, *report);
    } catch (const Error& error) {  // the same on all ranks, so all go on to the same file
      if (!damaged(error) || is_given(options)) throw;
      if (!newest_problem) newest_problem = error;
      is_spoiled = is_spoiled || file.is_writing();
      spoiled.merge(file.overwritten());
      skipped.push_back(fmt::format("step {}: {}", candidate.step, error.what()));
      if (comm.rank() == 0) log::warning("the checkpoint of step {} is passed over: {}", candidate.step, error.what());
      continue;
    }
    report->skipped = std::move(skipped);
    tell_loaded(comm, planner, local, *report);
    report->seconds = watch.seconds();
    return *std::move(report);
  }
  throw Error(newest_problem->code(),
              fmt::format("none of the {} checkpoints can be loaded{}; the newest: {}", skipped.size(),
                          is_spoiled ? ", and tensors may hold parts of them" : "", newest_problem->message()),
              newest_problem->context());
}

void note(const std::filesystem::path& directory, const LoadReport& report, int world_size, std::uint32_t file_mode) {
  const std::filesystem::path log = directory / storage::format::events_file;
  try {
    storage::make_posix_filesystem(file_mode)->append(log, storage::load_event(report, world_size));
  } catch (const Error& error) {
    log::info("the load is not noted in the event log: {}", error.what());
  }
}

}  // namespace holdfast::load
