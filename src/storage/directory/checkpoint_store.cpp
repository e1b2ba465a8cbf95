// How a checkpoint becomes visible. "All agree" means that each writer learns of every writer's failure before any goes
// on (mpi::all_or_none), so all throw the same Error.
//
//  1. writer 0 creates the partial file with every dataset in its place, over the
//     recycled file if that has the same layout (recycled_file.hpp)                  | all agree
//  2. writer 0 reserves the file's bytes, so that a full disk fails here             | all agree
//  3. every writer checks that it sees the file: is the directory really shared?     | all agree
//  4. all write their chunks, in one part or several (each agreed on)                | all agree
//     all write the tables' rows of their chunks, with the checksums                 | all agree
//     writer 0 writes the parts table, the checksums of all rows                     | all agree
//  5. every writer makes what it wrote durable (fsync)                               | all agree
//  6. writer 0 renames the partial file to its final name                            | all agree
//  7. writer 0 makes the name durable (fsync of the directory)                       | all agree
//     -- the checkpoint is committed; failures from here on are only logged --
//  8. writer 0 points `latest` to it
//  9. writer 0 appends a line to events.jsonl
// 10. writer 0 removes what retention gives up
//
// A failure in 1 to 7 ends the save: writer 0 removes the partial file and appends an event, and every writer throws.
// Until 6, an older file of the same step stays in place. If 7 fails, writer 0 removes the new file, unless it replaced
// an older one: it is complete, and the older one is gone. The new file also stays if it cannot be removed. The next
// save first removes unfinished files.

#include "storage/directory/checkpoint_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/checksum.hpp"
#include "base/clock.hpp"
#include "base/codec.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/events.hpp"
#include "storage/directory/pins.hpp"
#include "storage/format/format.hpp"

namespace holdfast::storage {
namespace {

/// Bounds of the wait until all writers see the lock file. NFS may deny a new file for half a minute.
constexpr Seconds least_till_seen{3}, longest_till_seen{60};
constexpr auto between_looks = std::chrono::milliseconds(20);
/// Fraction of the time for opening a directory (twice the lock's) after which no writer looks again, so that the
/// answer is in time.
constexpr double part_for_looks = 0.9;

/// Content of the lock file, as writer 0 wrote it, and its host.
struct Signed {
  std::string host, text;
  static void fields(auto& c, auto& s) { c(s.host, s.text); }
};

/// Runs `function` and only logs its failure, which must not fail a save.
template <class Function>
void try_to(const char* what, Function&& function) noexcept {
  try {
    function();
  } catch (const std::exception& error) {
    log::warning("{}: {}", what, error.what());
  }
}

/// Waits until this writer sees the lock file as writer 0 wrote it. A look may fail for a while, as with ESTALE.
void await_lock_file(FileSystem& files, const std::filesystem::path& file, const Signed& first, Seconds timeout) {
  const Deadline deadline(timeout);
  for (bool told = false;; std::this_thread::sleep_for(between_looks)) {
    std::optional<Error> problem;
    try {
      if (files.exists(file) && files.read(file) == first.text) return;
    } catch (const Error& error) {
      problem = error;
    }
    if (deadline.over())
      throw problem
          ? *problem
          : Error(ErrorCode::storage,
                  fmt::format("the directory is not the one that {} has under this path: the lock file just made there "
                              "is not seen here; Options::directory has to be on a file system that all nodes share",
                              first.host),
                  {.host = host_name(), .path = file.parent_path().string()});
    if (!std::exchange(told, true))
      log::info("{}: waiting up to {:.0f} s until this lock file is seen here as {} has written it", file.string(),
                timeout.count(), first.host);
  }
}

/// Computes Unfinished::layout.
std::uint64_t layout_of(const SaveRequest& request, const Lineage& lineage) {
  if (request.plan == 0) return 0;
  Encoder encoder;
  encoder(request.plan, std::uint64_t{lineage.abandoned.size()});
  return checksum(encoder.take());
}

}  // namespace

CheckpointStore::CheckpointStore(const mpi::Communicator& comm, std::unique_ptr<FileSystem> files,
                                 std::unique_ptr<CheckpointFile> file, StoreOptions options)
    : comm_(comm),
      files_(std::move(files)),
      file_(std::move(file)),
      options_(std::move(options)),
      mode_(options_.file_mode) {
  const Stopwatch opening;
  mpi::all_or_none(comm_, [&] {
    if (!leads()) return;
    files_->make_directory(options_.directory);
    lock_ = files_->lock(options_.directory / format::lock_file, options_.holder, options_.lock_timeout_s);
    recycled_.emplace(*files_, options_.directory, options_.nonce, options_.recycle_files);
    sweep();
    take_stock();
  });
  require_shared_directory(std::clamp(Seconds(2 * part_for_looks * options_.lock_timeout_s - opening.seconds()),
                                      least_till_seen, longest_till_seen));
  mpi::broadcast_value(comm_, known_, 0);
}

/// Throws unless every writer sees the lock file that writer 0 just wrote. Some file systems take a while to show it to
/// other nodes.
void CheckpointStore::require_shared_directory(Seconds timeout) {
  Signed first;
  const std::filesystem::path file = options_.directory / format::lock_file;
  mpi::all_or_none(comm_, [&] {
    if (leads()) first = {host_name(), files_->read(file)};
  });
  mpi::broadcast_value(comm_, first, 0);
  mpi::all_or_none(comm_, [&] { await_lock_file(*files_, file, first, timeout); });
}

/// Removes unfinished files. We hold the lock, so nobody is writing them.
void CheckpointStore::sweep() {
  for (const std::string& name : files_->list(options_.directory))
    if (is_partial_name(name)) files_->remove(options_.directory / name);
  recycled_->forget();
  left_over_ = false;
}

void CheckpointStore::take_stock() {
  look_again();
  known_.newest_sequence = newest_sequence(entries_);
  const Entry* head = head_of(entries_);
  if (head == nullptr) return;
  last_ = head->lineage;
  known_.head_sequence = last_.sequence;
}

/// Updates entries_ for files that others added or removed. Known files are not opened again.
void CheckpointStore::look_again() {
  entries_ = entries_in(options_.directory, entries_);
  for (const Entry& entry : entries_)
    if (entry.problem && told_unread_.insert(entry.step).second)
      log::warning("{}: this checkpoint cannot be read, so it is neither loaded nor taken away: {}",
                   (options_.directory / file_name(entry.step)).string(), entry.problem->message());
}

/// Warns of files with a sequence not below this run's newest. Sequences ascend, so another run's file of that kind was
/// added after this run opened the directory.
void CheckpointStore::tell_of_strangers(std::int64_t step) {
  for (const Entry& entry : entries_)
    if (!entry.is_own && entry.lineage.sequence >= last_.sequence && told_strange_.insert(entry.step).second)
      log::warning(
          "{}: this file came here while the run saves, and counts as saved later (sequence {}) than step {} (sequence "
          "{}): loads take it for the newest; move it away if it is not",
          (options_.directory / file_name(entry.step)).string(), entry.lineage.sequence, step, last_.sequence);
}

CheckpointStore::~CheckpointStore() {
  abandon();
}

/// Runs a part of the unfinished save and adds its time to `seconds`. If it throws, the save is over.
template <class Function>
auto CheckpointStore::attempt(double& seconds, Function&& function) {
  const Stopwatch watch;
  try {
    function();
  } catch (const Error& error) {
    if (leads()) discard(unfinished_->partial, unfinished_->request->step, error);
    unfinished_.reset();
    throw;
  }
  seconds += watch.seconds();
}

void CheckpointStore::abandon() noexcept {
  if (!unfinished_) return;
  if (leads()) try_to("removing an unfinished checkpoint", [&] { files_->remove(unfinished_->partial); });
  unfinished_.reset();
}

void CheckpointStore::pass_over(std::int64_t sequence, std::int64_t parent) {
  if (leads()) go_on(sequence, parent);
}

void CheckpointStore::go_on(std::int64_t sequence, std::int64_t parent) {
  if (sequence == 0) sequence = std::max(known_.newest_sequence, last_.sequence) + 1, parent = last_.sequence;
  last_ = next_lineage(entries_, last_, sequence, parent);
}

void CheckpointStore::begin(const SaveRequest& request) {
  abandon();
  if (left_over_) try_to("removing unfinished checkpoints", [&] { sweep(); });
  unfinished_ = {.request = &request,
                 .partial = options_.directory / partial_name(request.step, options_.nonce),
                 .result = {.path = options_.directory / file_name(request.step)}};
  attempt(unfinished_->result.write_s, [&] { make_file(); });
}

void CheckpointStore::write(std::span<const Chunk> chunks) {
  attempt(unfinished_->result.write_s, [&] { file_->write(unfinished_->partial, *unfinished_->request, chunks); });
}

SaveResult CheckpointStore::commit() {
  SaveResult& result = unfinished_->result;
  attempt(result.write_s, [&] { file_->finish(unfinished_->partial); });
  attempt(result.fsync_s, [&] { make_durable(); });
  result.total_s = result.write_s + result.fsync_s;
  attempt(result.total_s, [&] { publish(unfinished_->partial, result.path); });
  const Unfinished done = *std::exchange(unfinished_, std::nullopt);
  SaveResult agreed = done.result;
  agree_on(*done.request, agreed);
  if (leads()) announce(done, agreed);
  return agreed;
}

/// Steps 1 to 3.
void CheckpointStore::make_file() {
  const auto& [request, partial, result, layout] = *unfinished_;
  Lineage lineage;
  if (leads()) {
    try_to("looking at the directory", [&] { look_again(); });
    go_on(request->sequence, request->parent);
    lineage = trimmed(entries_, last_);
    unfinished_->layout = layout_of(*request, lineage);
  }
  const FileSpace space = leads() && recycled_->take(layout, partial) ? FileSpace::recycled : FileSpace::fresh;
  const Title title{.created = utc_now(), .lineage = std::move(lineage)};
  const std::uint64_t file_bytes = file_->make(partial, *request, title, space);
  mpi::all_or_none(comm_, [&, &path = partial] {
    if (leads()) files_->reserve(path, file_bytes);
  });
  mpi::all_or_none(comm_, [&, &path = partial] { files_->check_access(path); });
}

/// Step 5.
void CheckpointStore::make_durable() {
  mpi::all_or_none(comm_, [&] { files_->sync_file(unfinished_->partial); });
}

/// Steps 6 and 7.
void CheckpointStore::publish(const std::filesystem::path& partial, const std::filesystem::path& final) {
  bool replaces = false;
  mpi::all_or_none(comm_, [&] {
    if (!leads()) return;
    replaces = files_->exists(final);
    files_->rename(partial, final);
  });
  mpi::all_or_none(comm_, [&] {
    if (leads()) try {
        files_->sync_directory(options_.directory);
      } catch (...) {
        if (!replaces) files_->remove(final);
        throw;
      }
  });
}

void CheckpointStore::discard(const std::filesystem::path& partial, std::int64_t step, const Error& error) {
  left_over_ = true;  // perhaps: a directory that is unreachable now may come back with the file
  std::erase_if(entries_, [&](const Entry& entry) { return entry.step == step; });  // look_again() will open the file
  try_to("removing an unfinished checkpoint", [&] { files_->remove(partial); });
  note_failure(step, error);
}

void CheckpointStore::note_failure(std::int64_t step, const Error& error) noexcept {
  try_to("writing an event",
         [&] { files_->append(options_.directory / format::events_file, failed_save_event(step, error)); });
}

/// Makes `result` the same on all writers: the slowest writer's times and the bytes of all.
void CheckpointStore::agree_on(const SaveRequest& request, SaveResult& result) const {
  std::uint64_t bytes = 0;
  for (const Chunk& chunk : request.chunks) bytes += chunk.bytes.size();
  comm_.allreduce(std::span(&bytes, 1), MPI_SUM);
  result.bytes = bytes;
  double* const times[] = {&result.write_s, &result.fsync_s, &result.total_s};
  std::int64_t nanoseconds[std::size(times)];
  std::ranges::transform(times, nanoseconds, [](const double* time) { return static_cast<std::int64_t>(*time * 1e9); });
  comm_.allreduce(std::span<std::int64_t>(nanoseconds), MPI_MAX);
  for (std::size_t i = 0; i < std::size(times); ++i) *times[i] = static_cast<double>(nanoseconds[i]) * 1e-9;
}

/// Steps 8 to 10.
void CheckpointStore::announce(const Unfinished& done, const SaveResult& result) {
  const SaveRequest& request = *done.request;
  note(request);
  try_to("moving `latest`",
         [&] { files_->replace_link(result.path.filename(), options_.directory / format::latest_link); });
  try_to("writing an event", [&] { log_save(request, result); });
  recycled_->remember(request.step, done.layout);
  try_to("removing old checkpoints", [&] { prune(request.step); });
}

void CheckpointStore::log_save(const SaveRequest& request, const SaveResult& result) {
  std::string lines;
  if (std::exchange(copy_told_, request.copy) != request.copy)
    lines = settings_event(file_->settings(), options_.launcher, comm_.size(), request.copy);
  files_->append(options_.directory / format::events_file, lines + save_event(request, result));
}

void CheckpointStore::note(const SaveRequest& request) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.step == request.step; });
  entries_.insert(std::ranges::upper_bound(entries_, request.step, {}, &Entry::step),
                  {.step = request.step, .lineage = last_, .is_own = true});
}

/// Applies retention after the save of `step`.
void CheckpointStore::prune(std::int64_t step) {
  look_again();
  tell_of_strangers(step);
  const std::vector<std::int64_t> given_up = to_prune(entries_, options_.keep_last, options_.keep_every);
  if (given_up.empty()) return;
  const auto pins = pins_in(options_.directory);
  const std::set<std::int64_t> in_use = options_.steps_in_use ? options_.steps_in_use() : std::set<std::int64_t>();
  for (const std::int64_t old : given_up) {
    if (pins.contains(old) || in_use.contains(old)) continue;
    recycled_->give_up(old);
    std::erase_if(entries_, [&](const Entry& entry) { return entry.step == old; });
  }
}

}  // namespace holdfast::storage
