#include "stage/host_stager.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"

namespace holdfast::stage {
namespace {

constexpr std::uint64_t threads_from_bytes = 64U << 20;  // below, starting threads costs more than it gains
constexpr std::uint64_t cut_bytes = 8U << 20;
constexpr int most_threads = 8;

std::uint64_t packed_bytes(std::span<const Copy> copies) {
  std::uint64_t sum = 0;
  for (const Copy& copy : copies) sum += packed_bytes(copy.from);
  return sum;
}

/// The same copies, none of them much above cut_bytes.
std::vector<Copy> cut(std::span<const Copy> copies) {
  std::vector<Copy> parts;
  for (const Copy& copy : copies) {
    std::byte* to = copy.to;
    for (const Box& box : split(whole(copy.from.extent), packed_bytes(copy.from) / cut_bytes + 1)) {
      parts.push_back({part_of(copy.from, box), to});
      to += packed_bytes(parts.back().from);
    }
  }
  return parts;
}

/// Copies that several threads take one after the other.
class SharedWork {
 public:
  explicit SharedWork(std::span<const Copy> copies) : copies_(copies) {}

  void run() noexcept {
    try {
      for (std::size_t i = next_++; i < copies_.size(); i = next_++) pack(copies_[i].from, copies_[i].to);
    } catch (...) {
      next_ = copies_.size();
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
  /// Once all threads have ended.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::span<const Copy> copies_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

/// Starts up to `count` threads; a system that refuses one makes the copy slower, not wrong.
std::vector<std::jthread> start_threads(int count, SharedWork& work) {
  std::vector<std::jthread> threads;
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back([&work] { work.run(); });
  } catch (const std::system_error& error) {
    log::warning("staging with {} of {} threads: {}", threads.size() + 1, count + 1, error.what());
  }
  return threads;
}

int allowed_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // Fails on machines with more cores than a cpu_set_t has room for; those have enough for anybody.
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

class HostUnderway final : public Underway {
 public:
  HostUnderway(const HostStager& stager, std::vector<Copy> copies) : stager_(stager), copies_(std::move(copies)) {}
  /// A memcpy ends by itself.
  void finish(Deadline /*deadline*/) override { stager_.stage(copies_); }
  bool hold(cuda::Stream /*stream*/) override { return false; }

 private:
  HostStager stager_;
  std::vector<Copy> copies_;
};

}  // namespace

std::shared_ptr<const void> HostStager::prepare(std::span<const Copy> /*copies*/, std::span<std::byte> /*arena*/) {
  return nullptr;
}

std::shared_ptr<Underway> HostStager::begin(std::vector<Copy> copies, cuda::Stream /*after*/) {
  return std::make_shared<HostUnderway>(*this, std::move(copies));
}

void HostStager::stage(std::span<const Copy> copies) const {
  if (threads_ <= 1 || packed_bytes(copies) < threads_from_bytes) {
    for (const Copy& copy : copies) pack(copy.from, copy.to);
    return;
  }
  const std::vector<Copy> parts = cut(copies);
  SharedWork work(parts);
  {
    const std::vector<std::jthread> others = start_threads(threads_ - 1, work);
    work.run();
  }
  work.rethrow();
}

int default_stage_threads(int ranks_on_node) {
  const int cores = allowed_cores();
  const bool bound = cores * ranks_on_node <= sysconf(_SC_NPROCESSORS_ONLN);
  return std::clamp(bound ? cores : cores / ranks_on_node, 1, most_threads);
}

}  // namespace holdfast::stage
