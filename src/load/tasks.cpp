#include "load/tasks.hpp"

#include <algorithm>
#include <atomic>

#include "base/threads.hpp"

namespace holdfast::load {
namespace {

/// What a thread takes at once: tasks that are neighbours in the file.
constexpr std::uint64_t share_bytes = 16 << 20;

using Share = std::span<const Task* const>;

std::uint64_t bytes_of(const storage::CheckpointReader& file, const Task& task) {
  return volume(task.box->extent) * size_of(file.datasets()[task.dataset].dtype);
}

/// Those that read something, in the order of the file.
std::vector<const Task*> in_order(const storage::CheckpointReader& file, std::span<const Task> tasks) {
  std::vector<const Task*> ordered;
  ordered.reserve(tasks.size());
  for (const Task& task : tasks)
    if (!empty(*task.box)) ordered.push_back(&task);
  std::ranges::sort(ordered, {}, [&](const Task* task) { return file.address_of(task->dataset); });
  return ordered;
}

std::vector<Share> share_out(const storage::CheckpointReader& file, Share tasks) {
  std::vector<Share> shares;
  while (!tasks.empty()) {
    std::size_t count = 0;
    for (std::uint64_t bytes = 0; count < tasks.size() && bytes < share_bytes; ++count) bytes += bytes_of(file, *tasks[count]);
    shares.push_back(tasks.first(count));
    tasks = tasks.subspan(count);
  }
  return shares;
}

}  // namespace

void Fetches::add(const Task& task) {
  (task.page_cache == storage::PageCache::fill ? fill_ : avoid_).add(task.dataset, *task.box, task.to, task.sum);
}

void Fetches::start() {
  fill_.start();
  avoid_.start();
}

void Fetches::run() {
  fill_.run();
  avoid_.run();
}

std::uint64_t carry_out(const storage::CheckpointReader& file, std::span<const Task> tasks, int threads) {
  const std::vector<const Task*> ordered = in_order(file, tasks);
  const std::vector<Share> shares = share_out(file, ordered);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> bytes_read = 0;
  run_in_threads(std::min(threads, static_cast<int>(shares.size())), [&] {
    try {
      Fetches fetches(file);
      for (std::size_t i = next++; i < shares.size(); i = next++) {
        for (const Task* task : shares[i]) fetches.add(*task);
        fetches.start();
      }
      fetches.run();
      bytes_read += fetches.bytes_read();
    } catch (...) {
      next = shares.size();
      throw;
    }
  });
  return bytes_read;
}

}  // namespace holdfast::load
