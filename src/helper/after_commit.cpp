#include "helper/after_commit.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <utility>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "launch/child.hpp"
#include "storage/directory/events.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"

namespace holdfast::helper {
namespace {

/// Between two looks at the time that is left, which finish() may cut.
constexpr Seconds slice{0.1};
/// Between SIGTERM and SIGKILL.
constexpr Seconds grace{1};
/// For ending a program and telling of it.
constexpr double time_to_end_s = 4;

std::uint32_t umask_of_process() {
  const mode_t mask = ::umask(0077);
  ::umask(mask);
  return mask;
}

}  // namespace

AfterCommit::AfterCommit(std::function<void()> ended) : ended_(std::move(ended)), umask_(umask_of_process()) {}

AfterCommit::~AfterCommit() {
  end();
  if (thread_.joinable()) thread_.join();
}

void AfterCommit::open(const Options& options) {
  if (!options.after_commit.empty() && process::find_program(options.after_commit[0]).empty())
    throw Error(ErrorCode::invalid_argument,
                "the program named by Options::after_commit is not an executable file, nor is it on PATH",
                {.host = host_name(), .path = options.after_commit[0]});
  options_ = options;
}

void AfterCommit::add(std::int64_t step, const std::filesystem::path& file) {
  const std::lock_guard lock(mutex_);
  checkpoints_.push_back({step, file});
  if (!thread_.joinable()) thread_ = std::jthread([this] { work(); });
  changed_.notify_all();
}

std::set<std::int64_t> AfterCommit::steps() const {
  const std::lock_guard lock(mutex_);
  std::set<std::int64_t> steps;
  for (const Checkpoint& checkpoint : checkpoints_) steps.insert(checkpoint.step);
  return steps;
}

void AfterCommit::finish(Deadline deadline) noexcept {
  std::unique_lock lock(mutex_);
  leaves_ = true;
  deadline_ = deadline;
  changed_.notify_all();
  const Deadline end(std::max(deadline.left(), Seconds(0)) + Seconds(time_to_end_s));
  while (!checkpoints_.empty() && !end.over()) changed_.wait_for(lock, end.pause());
}

void AfterCommit::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return leaves_ || !checkpoints_.empty(); });
    if (checkpoints_.empty()) return;
    const Checkpoint checkpoint = checkpoints_.front();
    lock.unlock();
    run(checkpoint);
    lock.lock();
    checkpoints_.pop_front();
    changed_.notify_all();
    ended_();
  }
}

void AfterCommit::run(const Checkpoint& checkpoint) {
  const Stopwatch watch;
  try {
    if (is_time_over()) return tell(checkpoint, 0, false, "not run: the helper had to leave");
    const launch::Child program(command_for(checkpoint.file), launch::environment_of_another_job(), {});
    const std::string late = await(program);
    const bool succeeded = late.empty() && program.has_succeeded();
    program.signal_group(SIGKILL);
    tell(checkpoint, watch.seconds(), succeeded, late + program.how_it_ended());
  } catch (...) {
    tell(checkpoint, watch.seconds(), false, current_error().what());
  }
}

/// Waits for the end of the program, and brings it about when its time is over. Returns why, as the start of a
/// sentence.
std::string AfterCommit::await(const launch::Child& program) const {
  const Deadline own{Seconds(options_.after_commit_timeout_s)};
  while (!program.has_ended(own.or_within(slice))) {
    const bool leaves = is_time_over();
    if (!own.over() && !leaves) continue;
    program.signal_group(SIGTERM);
    if (!program.has_ended(Deadline(grace))) {
      program.signal_group(SIGKILL);
      static_cast<void>(program.has_ended(Deadline(grace)));
    }
    return leaves ? "ended, as the helper had to leave: " : "ended after Options::after_commit_timeout_s: ";
  }
  return {};
}

bool AfterCommit::is_time_over() const {
  const std::lock_guard lock(mutex_);
  return deadline_ && deadline_->over();
}

/// The shell only sets the umask: the helper's own is that of Options::file_mode.
std::vector<std::string> AfterCommit::command_for(const std::filesystem::path& file) const {
  std::vector<std::string> words = {"sh", "-c", fmt::format(R"(umask {:04o} && exec "$@")", umask_), "sh"};
  std::ranges::copy(options_.after_commit, std::back_inserter(words));
  words.push_back(file.string());
  return words;
}

void AfterCommit::tell(const Checkpoint& checkpoint, double seconds, bool succeeded, const std::string& end) const try {
  if (!succeeded)
    log::warning("the program after the commit of step {} ({}) failed: {}", checkpoint.step, options_.after_commit[0],
                 end);
  storage::make_posix_filesystem()->append(
      checkpoint.file.parent_path() / storage::format::events_file,
      storage::after_commit_event(checkpoint.step, checkpoint.file, seconds, succeeded, end));
} catch (...) {
  log::write(log::Level::warning, current_error().what());
}

}  // namespace holdfast::helper
