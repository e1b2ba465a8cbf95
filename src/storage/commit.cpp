// How a checkpoint becomes visible. "All agree" means that each writer knows of every writer's failure before any goes on
// (mpi::all_or_none), so that all leave with the same Error.
//
//  1. writer 0 creates the partial file with every dataset in its place, in the space of the file that retention gave
//     up last where that has the same layout (spare_file.hpp)                        | all agree
//  2. writer 0 reserves the file's bytes, so that a full disk is met here            | all agree
//  3. every writer looks whether it sees that file: is the directory really shared?  | all agree
//  4. all write their chunks, in one part or several, then the tables' rows of these
//     chunks, with their checksums; all close                                        | all agree
//     writer 0 writes the checksums of all rows                                      | all agree
//  5. every writer makes what it wrote durable (fsync)                               | all agree
//  6. writer 0 renames the partial file to its final name                            | all agree
//  7. writer 0 makes the name durable (fsync of the directory)                       | all agree
//     -- the checkpoint is committed; what follows is for comfort, its failures are log lines --
//  8. writer 0 points `latest` to it
//  9. writer 0 appends a line to events.jsonl
// 10. writer 0 takes away what retention gives up
//
// A failure in 1 to 7 ends the save: writer 0 removes the partial file and appends an event, every writer throws. Until 6,
// what stood under the final name stands there still. If 7 fails, a step that is new is taken back; one that replaced an
// older file of its step stays, as it is complete and the older one is gone, and so does one that the directory does not let go.
// The save after a failed one looks again for unfinished files first.

#include "storage/commit.hpp"

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
#include "storage/catalog.hpp"
#include "storage/events.hpp"
#include "storage/format.hpp"

namespace holdfast::storage {
namespace {

/// For a file that one writer has made to be seen by the others. NFS may say for half a minute that there is no such file.
constexpr Seconds least_till_seen{3}, longest_till_seen{60};
constexpr auto between_looks = std::chrono::milliseconds(20);
/// Part of the time for opening a directory (twice the lock's) that is over when the last look is: the answer has to be in time.
constexpr double part_for_looks = 0.9;

/// The lock file as writer 0 has made it.
struct Signed {
  std::string host, text;
  static void fields(auto& c, auto& s) { c(s.host, s.text); }
};

/// Runs what must not fail a save that is committed.
template <class Function>
void try_to(const char* what, Function&& function) noexcept {
  try {
    function();
  } catch (const std::exception& error) {
    log::warning("{}: {}", what, error.what());
  }
}

/// Looks until the lock file is seen as writer 0 has signed it. A look may also fail for a while, as with ESTALE.
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
      throw problem ? *problem
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

/// Unfinished::layout.
std::uint64_t layout_of(const SaveRequest& request, const Lineage& lineage) {
  if (request.plan == 0) return 0;
  Encoder encoder;
  encoder(request.plan, std::uint64_t{lineage.abandoned.size()});
  return checksum(encoder.take());
}

}  // namespace

CheckpointStore::CheckpointStore(const mpi::Communicator& comm, std::unique_ptr<FileSystem> files,
                                 std::unique_ptr<FileEngine> engine, StoreOptions options)
    : comm_(comm), files_(std::move(files)), engine_(std::move(engine)), options_(std::move(options)), mode_(options_.file_mode) {
  const Stopwatch opening;
  mpi::all_or_none(comm_, [&] {
    if (!leads()) return;
    files_->make_directory(options_.directory);
    lock_ = files_->lock(options_.directory / format::lock_file, options_.holder, options_.lock_timeout_s);
    spare_.emplace(*files_, options_.directory, options_.nonce, options_.recycle_files);
    sweep();
    take_stock();
  });
  require_shared_directory(std::clamp(Seconds(2 * part_for_looks * options_.lock_timeout_s - opening.seconds()), least_till_seen,
                                      longest_till_seen));
  mpi::broadcast_value(comm_, known_, 0);
}

/// Every writer must see the lock file as writer 0 has just signed it. Some file systems take a while to show it to other nodes.
void CheckpointStore::require_shared_directory(Seconds timeout) {
  Signed first;
  const std::filesystem::path file = options_.directory / format::lock_file;
  mpi::all_or_none(comm_, [&] {
    if (leads()) first = {host_name(), files_->read(file)};
  });
  mpi::broadcast_value(comm_, first, 0);
  mpi::all_or_none(comm_, [&] { await_lock_file(*files_, file, first, timeout); });
}

/// The lock is ours, so nobody is still writing these.
void CheckpointStore::sweep() {
  for (const std::string& name : files_->list(options_.directory))
    if (is_partial_name(name)) files_->remove(options_.directory / name);
  spare_->forget();
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

/// Files that somebody put there or took away since are noticed; the others are known.
void CheckpointStore::look_again() {
  entries_ = entries_in(options_.directory, entries_);
  for (const Entry& entry : entries_)
    if (entry.problem && told_unread_.insert(entry.step).second)
      log::warning("{}: this checkpoint cannot be read, so it is neither loaded nor taken away: {}",
                   (options_.directory / file_name(entry.step)).string(), entry.problem->sentence());
}

/// Sequences are given upwards, so a file of another run that is not below the newest of this one came in since it was opened.
void CheckpointStore::tell_of_strangers(std::int64_t step) {
  for (const Entry& entry : entries_)
    if (!entry.is_own && entry.lineage.sequence >= last_.sequence && told_strange_.insert(entry.step).second)
      log::warning("{}: this file came here while the run saves, and counts as saved later (sequence {}) than step {} (sequence "
                   "{}): loads take it for the newest; move it away if it is not",
                   (options_.directory / file_name(entry.step)).string(), entry.lineage.sequence, step, last_.sequence);
}

CheckpointStore::~CheckpointStore() {
  abandon();
}

/// Runs a part of the save under way, and adds the time that it took. If it fails, the save is over.
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
  attempt(unfinished_->result.write_s, [&] { engine_->write(unfinished_->partial, *unfinished_->request, chunks); });
}

SaveResult CheckpointStore::commit() {
  SaveResult& result = unfinished_->result;
  attempt(result.write_s, [&] { engine_->finish(unfinished_->partial); });
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
  const Space space = leads() && spare_->take(layout, partial) ? Space::recycled : Space::fresh;
  const Title title{.created = utc_now(), .lineage = std::move(lineage)};
  const std::uint64_t file_bytes = engine_->create(partial, *request, title, space);
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
  left_over_ = true;  // perhaps: a directory that cannot be reached now may come back with the file in it
  std::erase_if(entries_, [&](const Entry& entry) { return entry.step == step; });  // which save stands there will be seen
  try_to("removing an unfinished checkpoint", [&] { files_->remove(partial); });
  note_failure(step, error);
}

void CheckpointStore::note_failure(std::int64_t step, const Error& error) noexcept {
  try_to("writing an event", [&] { files_->append(options_.directory / format::events_file, failed_save_event(step, error)); });
}

/// Everybody reports the slowest writer's times and the bytes of all.
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
  try_to("moving `latest`", [&] { files_->replace_link(result.path.filename(), options_.directory / format::latest_link); });
  try_to("writing an event", [&] { log_save(request, result); });
  spare_->remember(request.step, done.layout);
  try_to("removing old checkpoints", [&] { prune(request.step); });
}

void CheckpointStore::log_save(const SaveRequest& request, const SaveResult& result) {
  std::string lines;
  if (std::exchange(copy_told_, request.copy) != request.copy)
    lines = settings_event(engine_->settings(), options_.launcher, comm_.size(), request.copy);
  files_->append(options_.directory / format::events_file, lines + save_event(request, result));
}

void CheckpointStore::note(const SaveRequest& request) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.step == request.step; });
  entries_.insert(std::ranges::upper_bound(entries_, request.step, {}, &Entry::step),
                  {.step = request.step, .lineage = last_, .is_own = true});
}

/// `step` was saved last.
void CheckpointStore::prune(std::int64_t step) {
  look_again();
  tell_of_strangers(step);
  for (const std::int64_t old : to_prune(entries_, options_.keep_last, options_.keep_every)) {
    spare_->give_up(old);
    std::erase_if(entries_, [&](const Entry& entry) { return entry.step == old; });
  }
}

}  // namespace holdfast::storage
