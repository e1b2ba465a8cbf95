#include "load/loader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "load/file_load.hpp"
#include "plan/local.hpp"
#include "stage/places.hpp"
#include "storage/catalog.hpp"
#include "storage/events.hpp"
#include "storage/filesystem.hpp"
#include "storage/format.hpp"
#include "tensor/strided.hpp"

namespace holdfast::load {
namespace {

void check(const LoadOptions& options) {
  if (options.step < -1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("LoadOptions::step is {}; it is a step, or -1 for the newest checkpoint", options.step),
                {.host = host_name()});
}

plan::LocalPlan writable_plan(const StateDict& state) {
  plan::LocalPlan local = plan::make_local_plan(state);
  for (const StateDict::Tensor& tensor : state.tensors()) {
    if (!tensor.view.writable)
      throw Error(ErrorCode::invalid_argument, "the tensor was added with a pointer to const; it cannot be loaded into",
                  {.tensor = tensor.name});
    if (overlaps_itself(tensor.view.shard))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("strides of ({}) put several elements of the extent {} into the same place; it cannot be loaded into",
                              fmt::join(tensor.view.shard.stride, ", "), to_string(tensor.view.shard.extent)),
                  {.tensor = tensor.name});
  }
  return local;
}

/// Newest first, the same on all ranks.
std::vector<std::int64_t> candidates(const mpi::Communicator& comm, const std::filesystem::path& directory,
                                     const LoadOptions& options) {
  std::vector<std::int64_t> steps;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) return;
    steps = storage::steps_in(directory);
    std::reverse(steps.begin(), steps.end());
    if (options.step >= 0) {
      if (std::find(steps.begin(), steps.end(), options.step) == steps.end())
        throw Error(ErrorCode::not_found, fmt::format("there is no checkpoint of step {}", options.step),
                    {.path = directory.string()});
      steps = {options.step};
    }
    if (steps.empty()) throw Error(ErrorCode::not_found, "there is no checkpoint in the directory", {.path = directory.string()});
  });
  mpi::broadcast_value(comm, steps, 0);
  return steps;
}

/// Is the file to blame, so that an older one may do?
bool damaged(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported_version ||
         error.code() == ErrorCode::storage;
}

/// Names of this rank that were written while a file was read that proved damaged.
using Spoiled = std::set<std::string>;

/// Collective. What a damaged file has overwritten must come from the one that takes its place.
void require_replaced(const mpi::Communicator& comm, const Spoiled& spoiled, const LoadReport& report) {
  mpi::all_or_none(comm, [&] {
    for (const std::string& name : report.missing)
      if (spoiled.contains(name))
        throw Error(
            ErrorCode::corrupt,
            "a newer checkpoint, which is damaged, has overwritten what this one does not have (LoadOptions::verify_first)",
            {.path = report.path, .tensor = name});
  });
}

/// A directory that cannot be written is still good for loading.
void note_event(const std::filesystem::path& directory, const LoadReport& report, int world_size) {
  try {
    storage::make_posix_filesystem(storage::private_file)
        ->append(directory / storage::format::events_file, storage::load_event(report, world_size));
  } catch (const Error& error) {
    log::info("the load is not noted in the event log: {}", error.what());
  }
}

}  // namespace

LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                const LoadOptions& options, int threads) {
  const Stopwatch watch;
  plan::LocalPlan local;
  std::vector<cuda::Place> places;
  mpi::all_or_none(comm, [&] {
    check(options);
    stage::check_stream(options.stream);
    local = writable_plan(state);
    places = stage::find_places(local);
  });
  std::vector<std::string> skipped;
  std::optional<Error> newest_problem;
  bool is_spoiled = false;
  Spoiled spoiled;
  for (const std::int64_t step : candidates(comm, directory, options)) {
    FileLoad file(comm, {state, local, places}, options, threads);
    try {
      LoadReport report = file.run(directory / storage::file_name(step));
      require_replaced(comm, spoiled, report);
      report.skipped = std::move(skipped);
      report.seconds = watch.seconds();
      if (comm.rank() == 0) note_event(directory, report, comm.size());
      return report;
    } catch (const Error& error) {  // the same on all ranks, so all go on to the same next file
      if (!damaged(error) || options.step >= 0) throw;
      if (!newest_problem) newest_problem = error;
      is_spoiled = is_spoiled || file.is_writing();
      spoiled.merge(file.overwritten());
      skipped.push_back(fmt::format("step {}: {}", step, error.what()));
      if (comm.rank() == 0) log::warning("the checkpoint of step {} is passed over: {}", step, error.what());
    }
  }
  throw Error(newest_problem->code(),
              fmt::format("none of the {} checkpoints can be loaded{}; the newest: {}", skipped.size(),
                          is_spoiled ? ", and tensors may hold parts of them" : "", newest_problem->sentence()),
              newest_problem->where());
}

}  // namespace holdfast::load
