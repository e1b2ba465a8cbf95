#include "helper/drain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/cores.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "settings/settings.hpp"
#include "storage/write/hdf5_file.hpp"

namespace holdfast::helper {
namespace {

/// What a helper wants to do in a round. It is done only if all want the same.
enum class Intent : std::int64_t { leave, open, save };

struct Round {
  bool all_leave = false;
  bool all_open = false;
  bool all_save = false;
  bool same_save = false;
  int first_with_save = 0;  ///< the lowest helper that wants to save
};

/// Collective: one allreduce tells each helper what the others are about to do.
Round agree_on_round(const mpi::Communicator& comm, Intent mine, std::uint64_t save, std::uint64_t plan,
                     std::uint32_t wave) {
  const auto number = static_cast<std::int64_t>(save), layout = static_cast<std::int64_t>(plan),
             part = std::int64_t{wave};
  const auto intent = static_cast<std::int64_t>(mine);
  const std::int64_t with_save = mine == Intent::save ? comm.rank() : comm.size();
  std::int64_t least[] = {intent, -intent, number, -number, layout, -layout, part, -part, with_save};
  comm.allreduce(std::span<std::int64_t>(least), MPI_MIN);
  const auto lowest = static_cast<Intent>(least[0]), highest = static_cast<Intent>(-least[1]);
  return {.all_leave = highest == Intent::leave,
          .all_open = lowest == Intent::open && highest == Intent::open,
          .all_save = lowest == Intent::save,
          .same_save = least[2] == -least[3] && least[4] == -least[5] && least[6] == -least[7],
          .first_with_save = static_cast<int>(least[8])};
}

/// Settings of the checkpoint store and of its files.
struct StoreSettings {
  storage::StoreOptions store;
  storage::FileSettings files;
};

StoreSettings store_settings(const OpenJob& job, const std::string& nonce) {
  const Options& options = job.options;
  return {.store = {.directory = options.directory,
                    .keep_last = options.keep_last,
                    .keep_every = options.keep_every,
                    .nonce = nonce,
                    .holder = job.hello.job,
                    .lock_timeout_s = job.hello.lock_timeout_s,
                    .launcher = job.hello.launcher,
                    .file_mode = options.file_mode,
                    .recycle_files = options.recycle_files},
          .files = {.engine = options.engine,
                    .mpi_io = mpi::chosen_io(),
                    .mpi_io_hints = options.mpi_io_hints,
                    .alignment_bytes = options.alignment_bytes,
                    .write_limit_bytes_per_s = options.write_limit_bytes_per_s}};
}

}  // namespace

Drain::Drain(mpi::Communicator comm, std::string nonce, HeartbeatMonitor& monitor, AfterCommit& after_commit,
             std::function<void(Outcome)> report)
    : comm_(std::move(comm)),
      nonce_(std::move(nonce)),
      monitor_(monitor),
      after_commit_(after_commit),
      report_(std::move(report)) {}

void Drain::run(Mailbox<Job>& jobs) {
  Job job = jobs.pop();
  for (; !std::holds_alternative<LeaveJob>(job); job = jobs.pop()) {
    if (const auto* opening = std::get_if<OpenJob>(&job)) {
      report_(open(*opening));
      continue;
    }
    const auto& saving = std::get<SaveJob>(job);
    const Outcome outcome = save(saving);
    report_(outcome);
    run_program(saving.step, outcome);
  }
  after_commit_.finish(std::get<LeaveJob>(job).programs_end);
  leave();
}

/// Local. Has the program of Options::after_commit run, if the outcome says so.
void Drain::run_program(std::int64_t step, const Outcome& outcome) {
  const auto* ended = std::get_if<SaveEnded>(&outcome);
  if (ended != nullptr && ended->runs_program) after_commit_.add(step, ended->result.path);
}

Opened Drain::open(const OpenJob& job) {
  Opened outcome{.helpers = comm_.size(), .error = {}};
  try {
    if (!agree_on_round(comm_, Intent::open, 0, 0, 0).all_open)
      throw Error(ErrorCode::launch, "the ranks of another helper are gone before the directory was open",
                  {.host = host_name()});
    mpi::all_or_none(comm_, [&] {
      settings::check(job.options);
      run_on_cores(parse_cores(job.options.helper_cores));
      mpi::choose_io(job.options.mpi_io_component);
      if (comm_.rank() == 0) after_commit_.open(job.options);
    });
    StoreSettings settings = store_settings(job, nonce_);
    settings.store.steps_in_use = [this] { return after_commit_.steps(); };
    auto store = std::make_unique<storage::CheckpointStore>(
        comm_, storage::make_posix_filesystem(), storage::make_checkpoint_file(comm_, std::move(settings.files)),
        std::move(settings.store));
    outcome.known = store->known();
    store_ = std::move(store);
  } catch (...) {
    outcome.error = current_error();
  }
  return outcome;
}

Outcome Drain::save(const SaveJob& job) {
  SaveEnded outcome{.save = job.save, .error = {}, .result = {}, .commit_s = 0};
  try {
    prepare(job);
    std::optional<storage::SaveResult> result = write(job);
    if (!result) return WaveWritten{.save = job.save, .wave = job.wave};
    outcome.result = std::move(*result);
  } catch (...) {
    outcome.error = current_error();
    store_->abandon();
    store_->pass_over(job.sequence, job.parent);
    log::warning("save of step {} failed: {}", job.step, outcome.error->what());
  }
  outcome.commit_s = job.since_staged.seconds();
  outcome.runs_program = !outcome.error && after_commit_.is_wanted();
  return outcome;
}

/// The store never sees a save that fails here, so the lowest helper that has the save notes the failure in the event
/// log.
void Drain::prepare(const SaveJob& job) {
  int first_with_save = 0;
  try {
    const Round round = agree_on_round(comm_, Intent::save, job.save, job.plan, job.wave);
    first_with_save = round.first_with_save;
    if (!round.all_save)
      throw Error(ErrorCode::helper_lost, "the ranks of another helper are gone; the save is dropped",
                  {.host = host_name()});
    mpi::agree(comm_, job.error);
    if (!round.same_save)
      throw Error(ErrorCode::internal, "helpers disagree about which save comes next", {.host = host_name()});
    if (job.wave == 0) begin(job);
  } catch (...) {
    if (comm_.rank() == first_with_save) store_->note_failure(job.step, current_error());
    throw;
  }
}

void Drain::begin(const SaveJob& job) {
  const DatasetTable& layout = layout_of(job);
  mpi::all_or_none(comm_, [&] { make_request(job, layout); });
}

std::optional<storage::SaveResult> Drain::write(const SaveJob& job) {
  if (job.wave == 0) store_->begin(request_);
  const auto [first, last] = std::equal_range(waves_.begin(), waves_.end(), job.wave);
  store_->write(std::span(request_.chunks)
                    .subspan(static_cast<std::size_t>(first - waves_.begin()), static_cast<std::size_t>(last - first)));
  if (job.wave + 1 < job.waves) return std::nullopt;
  return store_->commit();
}

/// Returns when every helper leaves. Until then another helper still has a job that this one does not; the job fails
/// there.
void Drain::leave() {
  while (!agree_on_round(comm_, Intent::leave, 0, 0, 0).all_leave) {
  }
  store_.reset();
}

/// Collective where the plan is new. Every helper gets all definitions, since a chunk names its dataset by the index
/// among all.
const Drain::DatasetTable& Drain::layout_of(const SaveJob& job) {
  if (const DatasetTable* known = layouts_.find(job.plan)) return *known;
  std::vector<plan::Dataset> mine;
  for (const StagedPart& part : job.parts)
    mine.insert(mine.end(), part.layout->owned.begin(), part.layout->owned.end());

  DatasetTable layout;
  for (const Bytes& bytes : comm_.all_gather(encode(mine)))
    std::ranges::move(decode<std::vector<plan::Dataset>>(bytes), std::back_inserter(layout.datasets));
  std::ranges::sort(layout.datasets, {}, &plan::Dataset::name);
  layout.places.reserve(layout.datasets.size());
  for (std::uint32_t i = 0; i < layout.datasets.size(); ++i)
    layout.places.emplace(plan::key_of(layout.datasets[i].name), i);
  return layouts_.put(job.plan, std::move(layout));
}

void Drain::make_request(const SaveJob& job, const DatasetTable& layout) {
  request_ = {.step = job.step,
              .sequence = job.sequence,
              .parent = job.parent,
              .plan = job.plan,
              .world_size = job.world_size,
              .datasets = layout.datasets,
              .chunks = {},
              .copy = job.copy,
              .attributes = job.attributes};
  waves_.clear();
  std::vector<std::pair<const StagedPart*, const plan::Piece*>> pieces;
  for (const StagedPart& part : job.parts)
    for (const plan::Piece& piece : part.layout->pieces) pieces.emplace_back(&part, &piece);
  std::ranges::stable_sort(pieces, {}, [](const auto& entry) { return entry.second->wave; });
  for (const auto& [part, piece] : pieces) {
    waves_.push_back(piece->wave);
    const auto dataset = layout.places.find(piece->dataset);
    if (dataset == layout.places.end())
      throw Error(ErrorCode::communication, "a plan has a piece of a dataset that nobody defines",
                  {.host = host_name()});
    request_.chunks.push_back({.dataset = dataset->second,
                               .box = piece->box,
                               .rank = part->layout->rank,
                               .bytes = {part->arena + piece->arena_offset, piece->bytes}});
  }
}

}  // namespace holdfast::helper
