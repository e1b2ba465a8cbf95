#include "save/replica_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/checksum.hpp"
#include "stage/cuda_stager.hpp"
#include "stage/memory_spaces.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::save {
namespace {

/// Size of the pieces in which memory is copied that is not one run of host memory.
constexpr std::uint64_t piece_bytes = 16 << 20;

/// Message about one box of a rank, to the rank that judges its key.
struct Claim {
  std::uint64_t key = 0;      ///< checksum of name and box
  std::uint64_t content = 0;  ///< checksum of the bytes

  static void fields(auto& c, auto& s) { c(s.key, s.content); }
};

/// Answer to a Claim.
struct Verdict {
  std::int32_t holders = 0;             ///< number of ranks that hold the box
  std::int32_t first = -1, other = -1;  ///< lowest rank with the box, and with other bytes; -1: none

  static void fields(auto& c, auto& s) { c(s.holders, s.first, s.other); }
};

/// Compares the claims of one key.
struct Meeting {
  std::uint64_t content = 0;
  Verdict verdict;

  void take(int rank, std::uint64_t claimed) {
    if (verdict.holders++ == 0) {
      content = claimed;
      verdict.first = rank;
    } else if (verdict.other < 0 && claimed != content) {
      verdict.other = rank;
    }
  }
};

using Claims = std::vector<Claim>;

/// Sorts claims by the rank that judges them.
std::map<int, Claims> sorted_by_judge(const Claims& claims, int ranks) {
  std::map<int, Claims> sorted;
  for (const Claim& claim : claims)
    sorted[static_cast<int>(claim.key % static_cast<std::uint64_t>(ranks))].push_back(claim);
  return sorted;
}

std::vector<RankMessage> judge(const std::vector<RankMessage>& in) {
  std::vector<std::pair<int, Claims>> all;
  std::unordered_map<std::uint64_t, Meeting> meetings;
  for (const RankMessage& message : in)
    for (const Claim& claim : all.emplace_back(message.rank, decode<Claims>(message.bytes)).second)
      meetings[claim.key].take(message.rank, claim.content);
  std::vector<RankMessage> out;
  for (const auto& [rank, claims] : all) {
    std::vector<Verdict> verdicts;
    for (const Claim& claim : claims) verdicts.push_back(meetings.at(claim.key).verdict);
    out.push_back({rank, encode(verdicts)});
  }
  return out;
}

/// Collective. Returns the verdicts on this rank's claims, by key.
std::unordered_map<std::uint64_t, Verdict> compare(const mpi::Grid& grid, const Claims& claims, mpi::LocalWork& work) {
  std::map<int, Claims> sorted;
  std::vector<RankMessage> out;
  work([&] {
    sorted = sorted_by_judge(claims, grid.comm().size());
    for (const auto& [judge, mine] : sorted) out.push_back({judge, encode(mine)});
  });
  const std::vector<RankMessage> in = grid.deliver(out);
  std::vector<RankMessage> judged;
  work([&] { judged = judge(in); });
  const std::vector<RankMessage> answers = grid.deliver(judged);
  std::unordered_map<std::uint64_t, Verdict> verdicts;
  work([&] {
    for (const RankMessage& answer : answers) {
      const auto list = decode<std::vector<Verdict>>(answer.bytes);
      for (std::size_t i = 0; i < list.size(); ++i) verdicts[sorted.at(answer.rank).at(i).key] = list[i];
    }
  });
  return verdicts;
}

/// Reads boxes of tensors in host or device memory.
class Reader {
 public:
  explicit Reader(Deadline deadline) : deadline_(deadline) {}

  [[nodiscard]] std::uint64_t checksum_of(const plan::Item& item, const TensorView& view,
                                          const cuda::MemorySpace& space) {
    const StridedMemory memory = memory_of(view, item.box);
    if (!space.on_device() && run_bytes(memory) == packed_bytes(memory))
      return checksum({memory.data, packed_bytes(memory)});
    Checksum sum;
    for (const Slab& slab : slabs(item.box, memory.element_bytes, piece_bytes)) {
      if (piece_.size() < slab.bytes) piece_.resize(slab.bytes);
      stager_
          .begin({{.from = memory_of(view, slab.box), .to = piece_.data(), .space = space, .tensor = item.name}},
                 nullptr)
          ->finish(deadline_);
      sum.update({piece_.data(), slab.bytes});
    }
    return sum.value();
  }

 private:
  stage::CudaStager stager_{1};
  Bytes piece_;
  Deadline deadline_;
};

/// A tensor of this rank whose replicas differ.
struct Difference {
  std::string name, box;
  std::int32_t first = -1, other = -1;

  static void fields(auto& c, auto& s) { c(s.name, s.box, s.first, s.other); }
};

/// Collective. Throws the same Error on all ranks; at least one rank has a difference.
[[noreturn]] void explain(const mpi::Communicator& comm, const std::vector<Difference>& mine) {
  const auto least = std::ranges::min_element(mine, {}, &Difference::name);
  std::vector<Difference> all;
  for (const Bytes& bytes : comm.all_gather(encode(least == mine.end() ? Difference{} : *least)))
    all.push_back(decode<Difference>(bytes));
  std::erase_if(all, [](const Difference& difference) { return difference.first < 0; });
  const Difference& first = *std::ranges::min_element(all, {}, &Difference::name);
  throw Error(
      ErrorCode::plan_conflict,
      fmt::format("replicas differ: rank {} and rank {} both hold {}, but not the same bytes (Options::check_replicas)",
                  first.first, first.other, first.box),
      {.tensor = first.name});
}

std::uint64_t key_of(const plan::Item& item) {
  Encoder encoder;
  encoder(item.name, item.box);
  return checksum(encoder.take());
}

}  // namespace

void require_equal_replicas(const mpi::Grid& grid, const plan::LocalPlan& local,
                            const std::vector<cuda::MemorySpace>& spaces, cuda::Stream stream, Deadline deadline) {
  mpi::LocalWork work;
  Claims boxes;  // of all tensors, to find those that other ranks hold too
  work([&] {
    for (std::size_t i = 0; i < local.tensors; ++i) boxes.push_back({.key = key_of(local.items[i])});
  });
  auto verdicts = compare(grid, boxes, work);
  Claims replicas;
  work([&] {
    stage::await(spaces, stream, deadline);
    Reader reader(deadline);
    for (std::size_t i = 0; i < boxes.size(); ++i)
      if (!empty(local.items[i].box) && verdicts.at(boxes[i].key).holders > 1)
        replicas.push_back({boxes[i].key, reader.checksum_of(local.items[i], local.memory[i], spaces[i])});
  });
  verdicts = compare(grid, replicas, work);
  std::vector<Difference> differences;
  work([&] {
    for (std::size_t i = 0; i < boxes.size(); ++i)
      if (const auto found = verdicts.find(boxes[i].key); found != verdicts.end() && found->second.other >= 0)
        differences.push_back(
            {local.items[i].name, to_string(local.items[i].box), found->second.first, found->second.other});
  });
  mpi::agree(grid.comm(), work.error());
  std::uint64_t any[] = {differences.empty() ? 0U : 1U};
  grid.comm().allreduce(std::span<std::uint64_t>(any), MPI_MAX);
  if (any[0] != 0) explain(grid.comm(), differences);
}

}  // namespace holdfast::save
