#include "api/replica_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/checksum.hpp"
#include "stage/cuda_stager.hpp"
#include "stage/places.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::api {
namespace {

/// What is not one run of host memory is copied in pieces of this size.
constexpr std::uint64_t piece_bytes = 16 << 20;

/// What a rank says of one of its boxes to the rank that its key names.
struct Claim {
  std::uint64_t key = 0;  ///< checksum of name and box
  std::uint64_t content = 0;

  static void fields(auto& c, auto& s) { c(s.key, s.content); }
};

/// What it hears back.
struct Verdict {
  std::int32_t holders = 0;
  std::int32_t first = -1, other = -1;  ///< the lowest rank that holds it, and the lowest that claims something else; -1: none

  static void fields(auto& c, auto& s) { c(s.holders, s.first, s.other); }
};

/// Where claims of one key meet.
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

/// By the rank that judges them.
std::map<int, Claims> sorted_by_judge(const Claims& claims, int ranks) {
  std::map<int, Claims> sorted;
  for (const Claim& claim : claims) sorted[static_cast<int>(claim.key % static_cast<std::uint64_t>(ranks))].push_back(claim);
  return sorted;
}

std::vector<Parcel> judge(const std::vector<Parcel>& in) {
  std::vector<std::pair<int, Claims>> all;
  std::unordered_map<std::uint64_t, Meeting> meetings;
  for (const Parcel& parcel : in)
    for (const Claim& claim : all.emplace_back(parcel.rank, decode<Claims>(parcel.bytes)).second)
      meetings[claim.key].take(parcel.rank, claim.content);
  std::vector<Parcel> out;
  for (const auto& [rank, claims] : all) {
    std::vector<Verdict> verdicts;
    for (const Claim& claim : claims) verdicts.push_back(meetings.at(claim.key).verdict);
    out.push_back({rank, encode(verdicts)});
  }
  return out;
}

/// Collective. The verdict on each of this rank's claims, by key.
std::unordered_map<std::uint64_t, Verdict> compare(const mpi::Grid& grid, const Claims& claims, mpi::LocalWork& work) {
  std::map<int, Claims> sorted;
  std::vector<Parcel> out;
  work([&] {
    sorted = sorted_by_judge(claims, grid.comm().size());
    for (const auto& [judge, mine] : sorted) out.push_back({judge, encode(mine)});
  });
  const std::vector<Parcel> in = grid.deliver(out);
  std::vector<Parcel> judged;
  work([&] { judged = judge(in); });
  const std::vector<Parcel> answers = grid.deliver(judged);
  std::unordered_map<std::uint64_t, Verdict> verdicts;
  work([&] {
    for (const Parcel& answer : answers) {
      const auto list = decode<std::vector<Verdict>>(answer.bytes);
      for (std::size_t i = 0; i < list.size(); ++i) verdicts[sorted.at(answer.rank).at(i).key] = list[i];
    }
  });
  return verdicts;
}

/// Reads boxes of tensors, wherever their memory is.
class Reader {
 public:
  explicit Reader(Deadline deadline) : deadline_(deadline) {}

  [[nodiscard]] std::uint64_t checksum_of(const plan::Item& item, const TensorView& view, const cuda::Place& place) {
    const StridedMemory memory = memory_of(view, item.box);
    if (!place.on_device() && run_bytes(memory) == packed_bytes(memory)) return checksum({memory.data, packed_bytes(memory)});
    Checksum sum;
    for (const Slab& slab : slabs(item.box, size_of(item.dtype), piece_bytes)) {
      if (piece_.size() < slab.bytes) piece_.resize(slab.bytes);
      stager_.begin({{.from = memory_of(view, slab.box), .to = piece_.data(), .place = place, .tensor = item.name}}, nullptr)
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

/// A tensor of which this rank knows that its replicas differ.
struct Difference {
  std::string name, box;
  std::int32_t first = -1, other = -1;

  static void fields(auto& c, auto& s) { c(s.name, s.box, s.first, s.other); }
};

/// Collective; the same everywhere, as far as there is one anywhere.
[[noreturn]] void explain(const mpi::Communicator& comm, const std::vector<Difference>& mine) {
  const auto least = std::ranges::min_element(mine, {}, &Difference::name);
  std::vector<Difference> all;
  for (const Bytes& bytes : comm.all_gather(encode(least == mine.end() ? Difference{} : *least)))
    all.push_back(decode<Difference>(bytes));
  std::erase_if(all, [](const Difference& difference) { return difference.first < 0; });
  const Difference& first = *std::ranges::min_element(all, {}, &Difference::name);
  throw Error(ErrorCode::plan_conflict,
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

void require_equal_replicas(const mpi::Grid& grid, const plan::LocalPlan& local, const std::vector<cuda::Place>& places,
                            cuda::Stream stream, Deadline deadline) {
  mpi::LocalWork work;
  Claims boxes;  // of all tensors, to find out which of them others hold as well
  work([&] {
    for (std::size_t i = 0; i < local.tensors; ++i) boxes.push_back({.key = key_of(local.items[i])});
  });
  auto verdicts = compare(grid, boxes, work);
  Claims replicas;
  work([&] {
    stage::await(places, stream, deadline);
    Reader reader(deadline);
    for (std::size_t i = 0; i < boxes.size(); ++i)
      if (!empty(local.items[i].box) && verdicts.at(boxes[i].key).holders > 1)
        replicas.push_back({boxes[i].key, reader.checksum_of(local.items[i], local.memory[i], places[i])});
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

}  // namespace holdfast::api
