#include "load/tasks.hpp"

#include <algorithm>
#include <atomic>

#include "base/threads.hpp"

namespace holdfast::load {
namespace {

/// What a thread takes at once: tasks that are neighbours in the file.
constexpr std::uint64_t share_bytes = 16 << 20;

using Share = std::span<const Task>;

std::uint64_t bytes_of(const storage::CheckpointReader& file, const Task& task) {
  return volume(task.box.extent) * size_of(file.datasets()[task.dataset].dtype);
}

std::vector<Share> share_out(const storage::CheckpointReader& file, std::span<const Task> tasks) {
  std::vector<Share> shares;
  while (!tasks.empty()) {
    std::size_t count = 0;
    for (std::uint64_t bytes = 0; count < tasks.size() && bytes < share_bytes; ++count) bytes += bytes_of(file, tasks[count]);
    shares.push_back(tasks.first(count));
    tasks = tasks.subspan(count);
  }
  return shares;
}

}  // namespace

void Fetches::run(std::span<const Task> tasks) {
  for (const Task& task : tasks)
    (task.page_cache == storage::PageCache::fill ? fill_ : avoid_).add(task.dataset, task.box, task.to, task.sum);
  fill_.run();
  avoid_.run();
}

std::uint64_t carry_out(const storage::CheckpointReader& file, std::vector<Task> tasks, int threads) {
  std::erase_if(tasks, [](const Task& task) { return empty(task.box); });
  std::ranges::sort(tasks, {}, [&](const Task& task) { return file.address_of(task.dataset); });
  const std::vector<Share> shares = share_out(file, tasks);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> bytes_read = 0;
  run_in_threads(std::min(threads, static_cast<int>(shares.size())), [&] {
    try {
      Fetches fetches(file);
      for (std::size_t i = next++; i < shares.size(); i = next++) fetches.run(shares[i]);
      bytes_read += fetches.bytes_read();
    } catch (...) {
      next = shares.size();
      throw;
    }
  });
  return bytes_read;
}

}  // namespace holdfast::load
