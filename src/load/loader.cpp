#include "load/loader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "load/place.hpp"
#include "load/reshard.hpp"
#include "plan/local.hpp"
#include "stage/places.hpp"
#include "storage/catalog.hpp"
#include "storage/events.hpp"
#include "storage/filesystem.hpp"
#include "storage/format.hpp"
#include "storage/reader.hpp"

namespace holdfast::load {
namespace {

/// For the program's own work on its stream.
constexpr Seconds stream_timeout{600};

/// A set of numbers below `size` that ranks can unite.
class Marks {
 public:
  explicit Marks(std::size_t size) : words_((size + 63) / 64) {}
  void set(std::size_t number) { words_[number / 64] |= std::uint64_t{1} << number % 64; }
  [[nodiscard]] bool test(std::size_t number) const { return (words_[number / 64] >> number % 64 & 1) != 0; }
  /// Collective.
  void unite(const mpi::Communicator& comm) {
    if (!words_.empty()) comm.allreduce(std::span<std::uint64_t>(words_), MPI_BOR);
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// One load of one file.
class FileLoad {
 public:
  FileLoad(const mpi::Communicator& comm, StateDict& state, const plan::LocalPlan& local, const std::vector<cuda::Place>& places,
           const LoadOptions& options)
      : comm_(comm), state_(state), local_(local), places_(places), options_(options) {}

  /// Collective; steps 2 to 4 of load().
  LoadReport run(const std::filesystem::path& path) {
    mpi::all_or_none(comm_, [&] { open(path); });
    check_names();
    if (options_.verify) verify();
    mpi::all_or_none(comm_, [&] { read(); });
    return report_;
  }

 private:
  void open(const std::filesystem::path& path) {
    file_.emplace(path);
    const Saved saved{file_->datasets(), file_->chunks(), file_->info().world_size};
    list_ = reshard(local_.items, saved, comm_.rank(), options_);
    report_.step = file_->info().step;
    report_.path = path.string();
    report_.saved_by_ranks = file_->info().world_size;
    if (options_.strict && !list_.missing.empty())
      throw Error(ErrorCode::not_found, fmt::format("not in the checkpoint: {}", fmt::join(list_.missing, ", ")),
                  {.path = path.string(), .tensor = list_.missing.front()});
    report_.missing = list_.missing;
  }

  /// What no rank asked for is only known together; every rank comes to the same answer.
  void check_names() {
    Marks used(file_->datasets().size());
    for (std::size_t dataset = 0; dataset < list_.dataset_used.size(); ++dataset)
      if (list_.dataset_used[dataset]) used.set(dataset);
    used.unite(comm_);
    for (std::size_t dataset = 0; dataset < file_->datasets().size(); ++dataset)
      if (!used.test(dataset)) report_.unexpected.push_back(file_->datasets()[dataset].name);
    if (options_.strict && !report_.unexpected.empty())
      throw Error(
          ErrorCode::mismatch,
          fmt::format("in the checkpoint, but not in the state dict of any rank: {}", fmt::join(report_.unexpected, ", ")),
          {.path = report_.path, .tensor = report_.unexpected.front()});
  }

  /// Each chunk that anybody touches is checked by one rank; the ranks take runs of nearly equal bytes.
  void verify() {
    Marks touched(file_->chunks().size());
    for (const std::uint32_t chunk : list_.chunks) touched.set(chunk);
    touched.unite(comm_);
    std::uint64_t total = 0, before = 0;
    const auto bytes_of = [&](const storage::ChunkRecord& chunk) {
      return volume(chunk.box.extent) * size_of(file_->datasets()[chunk.dataset].dtype);
    };
    for (std::size_t number = 0; number < file_->chunks().size(); ++number)
      if (touched.test(number)) total += bytes_of(file_->chunks()[number]);
    mpi::all_or_none(comm_, [&] {
      for (std::size_t number = 0; number < file_->chunks().size(); ++number) {
        if (!touched.test(number)) continue;
        const storage::ChunkRecord& chunk = file_->chunks()[number];
        if (static_cast<int>(static_cast<double>(before) / static_cast<double>(std::max<std::uint64_t>(total, 1)) *
                             comm_.size()) == comm_.rank())
          file_->verify(chunk);
        before += bytes_of(chunk);
      }
    });
  }

  void read() {
    stage::await(places_, options_.stream, Deadline(stream_timeout));
    stage::Uploads uploads;
    for (const Read& read : list_.reads) report_.bytes += place(*file_, read, {state_, local_, places_, uploads});
    uploads.finish();
  }

  const mpi::Communicator& comm_;
  StateDict& state_;
  const plan::LocalPlan& local_;
  const std::vector<cuda::Place>& places_;
  const LoadOptions& options_;
  std::optional<storage::CheckpointReader> file_;
  ReadList list_;
  LoadReport report_;
};

plan::LocalPlan writable_plan(const StateDict& state) {
  plan::LocalPlan local = plan::make_local_plan(state);
  for (const StateDict::Tensor& tensor : state.tensors())
    if (!tensor.view.writable)
      throw Error(ErrorCode::invalid_argument, "the tensor was added with a pointer to const; it cannot be loaded into",
                  {.tensor = tensor.name});
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
                const LoadOptions& options) {
  const Stopwatch watch;
  plan::LocalPlan local;
  std::vector<cuda::Place> places;
  mpi::all_or_none(comm, [&] {
    stage::check_stream(options.stream);
    local = writable_plan(state);
    places = stage::find_places(local);
  });
  std::vector<std::string> skipped;
  std::optional<Error> newest_problem;
  for (const std::int64_t step : candidates(comm, directory, options)) {
    try {
      LoadReport report = FileLoad(comm, state, local, places, options).run(directory / storage::file_name(step));
      report.skipped = std::move(skipped);
      report.seconds = watch.seconds();
      if (comm.rank() == 0) note_event(directory, report, comm.size());
      return report;
    } catch (const Error& error) {  // the same on all ranks, so all go on to the same next file
      if (!damaged(error) || options.step >= 0) throw;
      if (!newest_problem) newest_problem = error;
      skipped.push_back(fmt::format("step {}: {}", step, error.what()));
      if (comm.rank() == 0) log::warning("the checkpoint of step {} is passed over: {}", step, error.what());
    }
  }
  throw Error(newest_problem->code(),
              fmt::format("none of the {} checkpoints can be loaded; the newest: {}", skipped.size(), newest_problem->sentence()),
              newest_problem->where());
}

}  // namespace holdfast::load
