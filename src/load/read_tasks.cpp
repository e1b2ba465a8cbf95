#include "load/read_tasks.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/threads.hpp"
#include "storage/format/extents.hpp"

namespace holdfast::load {
namespace {

/// Bytes that a thread takes at once: tasks that are neighbours in the file.
constexpr std::uint64_t share_bytes = 16 << 20;

using Share = std::span<const ReadTask* const>;

std::uint64_t bytes_of(const storage::Source& file, const ReadTask& task) {
  return volume(task.box->extent) * size_of(file.datasets()[task.dataset].dtype);
}

/// Where the first byte of the task lies in the file.
std::uint64_t offset_of(const storage::Source& file, const ReadTask& task) {
  return storage::Placed{file.datasets()[task.dataset], file.position_of(task.dataset)}.offset_of(task.box->offset);
}

/// The tasks that read something, in the order of the file.
std::vector<const ReadTask*> in_order(const storage::Source& file, std::span<const ReadTask> tasks) {
  std::vector<std::pair<std::uint64_t, const ReadTask*>> placed;
  placed.reserve(tasks.size());
  for (const ReadTask& task : tasks)
    if (!empty(*task.box)) placed.emplace_back(offset_of(file, task), &task);
  std::ranges::sort(placed);
  std::vector<const ReadTask*> ordered(placed.size());
  std::ranges::transform(placed, ordered.begin(), [](const auto& one) { return one.second; });
  return ordered;
}

std::vector<Share> share_out(const storage::Source& file, Share tasks) {
  std::vector<Share> shares;
  while (!tasks.empty()) {
    std::size_t count = 0;
    for (std::uint64_t bytes = 0; count < tasks.size() && bytes < share_bytes; ++count)
      bytes += bytes_of(file, *tasks[count]);
    shares.push_back(tasks.first(count));
    tasks = tasks.subspan(count);
  }
  return shares;
}

}  // namespace

void BoxReaders::add(const ReadTask& task) {
  (task.page_cache == storage::PageCache::fill ? fill_ : avoid_).add(task.dataset, *task.box, task.to, task.sum);
}

void BoxReaders::start() {
  fill_.start();
  avoid_.start();
}

void BoxReaders::run() {
  fill_.run();
  avoid_.run();
}

std::uint64_t carry_out(const storage::Source& file, std::span<const ReadTask> tasks, int threads) {
  const std::vector<const ReadTask*> ordered = in_order(file, tasks);
  const std::vector<Share> shares = share_out(file, ordered);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> bytes_read = 0;
  run_in_threads(std::min(threads, static_cast<int>(shares.size())), [&] {
    try {
      BoxReaders readers(file);
      for (std::size_t i = next++; i < shares.size(); i = next++) {
        for (const ReadTask* task : shares[i]) readers.add(*task);
        readers.start();
      }
      readers.run();
      bytes_read += readers.bytes_read();
    } catch (...) {
      next = shares.size();
      throw;
    }
  });
  return bytes_read;
}

}  // namespace holdfast::load
