#include "stage/host_stager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/codec.hpp"
#include "base/cores.hpp"
#include "base/threads.hpp"
#include "tensor/convert.hpp"
#include "tensor/slabs.hpp"

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

/// Converts elements that lie one behind the other from where they are, others by way of a buffer. That is small enough
/// for pack() to leave it in the processor's cache.
void pack_converted(const StridedMemory& from, const Conversion& conversion, std::byte* to) {
  constexpr std::uint64_t buffer_bytes = 16U << 10;
  Bytes packed;
  for (const Slab& slab : slabs(whole(from.extent), from.element_bytes, buffer_bytes)) {
    const StridedMemory part = part_of(from, slab.box);
    const std::byte* elements = part.data;
    if (run_bytes(part) < slab.bytes) {
      packed.resize(slab.bytes);
      pack(part, packed.data());
      elements = packed.data();
    }
    const std::size_t count = slab.bytes / from.element_bytes;
    convert(conversion.from, elements, conversion.to, to, count);
    to += count * size_of(conversion.to);
  }
}

void carry_out(const Copy& copy) {
  if (copy.conversion)
    pack_converted(copy.from, *copy.conversion, copy.to);
  else
    pack(copy.from, copy.to);
}

/// Cuts the copies into parts that are not much larger than cut_bytes.
std::vector<Copy> cut(std::span<const Copy> copies) {
  std::vector<Copy> parts;
  for (const Copy& copy : copies) {
    std::byte* to = copy.to;
    for (const Box& box : split(whole(copy.from.extent), packed_bytes(copy.from) / cut_bytes + 1)) {
      parts.push_back({.from = part_of(copy.from, box), .to = to, .conversion = copy.conversion});
      to += parts.back().bytes();
    }
  }
  return parts;
}

class HostPendingCopy final : public PendingCopy {
 public:
  HostPendingCopy(const HostStager& stager, std::vector<Copy> copies) : stager_(stager), copies_(std::move(copies)) {}
  /// Needs no deadline: a memcpy ends by itself.
  void finish(Deadline /*deadline*/) override { stager_.stage(copies_); }
  bool make_wait(cuda::Stream /*stream*/) override { return false; }

 private:
  HostStager stager_;
  std::vector<Copy> copies_;
};

}  // namespace

std::shared_ptr<const void> HostStager::prepare(std::span<const Copy> /*copies*/, std::span<std::byte> /*arena*/) {
  return nullptr;
}

std::shared_ptr<PendingCopy> HostStager::begin(std::vector<Copy> copies, cuda::Stream /*after*/) {
  return std::make_shared<HostPendingCopy>(*this, std::move(copies));
}

void HostStager::stage(std::span<const Copy> copies) const {
  if (threads_ <= 1 || packed_bytes(copies) < threads_from_bytes) {
    for (const Copy& copy : copies) carry_out(copy);
    return;
  }
  const std::vector<Copy> parts = cut(copies);
  std::atomic<std::size_t> next = 0;
  run_in_threads(threads_, [&] {
    try {
      for (std::size_t i = next++; i < parts.size(); i = next++) carry_out(parts[i]);
    } catch (...) {
      next = parts.size();
      throw;
    }
  });
}

int default_stage_threads(int ranks_on_node) {
  const int cores = allowed_cores();
  const bool bound = cores * ranks_on_node <= online_cores();
  return std::clamp(bound ? cores : cores / ranks_on_node, 1, most_threads);
}

std::string binding_in_words(int asked, int allowed, int online, int ranks_on_node) {
  if (allowed >= online) return {};
  if (asked > allowed)
    return fmt::format(
        "Options::stage_threads is {}, but the process is bound to {} of {} cores, on which they take turns", asked,
        allowed, online);
  if (asked != 0 || allowed > 1 || ranks_on_node >= online) return {};
  return fmt::format(
      "the process is bound to one of {} cores, so it stages with one thread; bind wider, such as by mpirun "
      "--map-by slot:PE=4, where cores are to spare",
      online);
}

}  // namespace holdfast::stage
