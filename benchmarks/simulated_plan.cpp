#include "simulated_plan.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "base/clock.hpp"
#include "plan/rounds.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr int drawn_ranks = 5;
constexpr std::uint64_t rows_per_part = 64, columns = 64;

/// For every rank what it owns, told by the names alone: the stages' tensors, and how many marks it gets.
struct Ownership {
  explicit Ownership(const Job& job) : items(static_cast<std::size_t>(job.ranks())) {
    for (int stage = 0; stage < job.stages(); ++stage)
      for (int tensor = 0; tensor < job.shards(); ++tensor) {
        const std::string name = job.name_of(stage, tensor);
        add(name, stage, tensor, job);
        for (std::size_t end = name.rfind('/'); end != name.npos; end = end == 0 ? name.npos : name.rfind('/', end - 1))
          add_group(name.substr(0, end), stage, tensor, job);
      }
    for (const auto& [group, marks] : marks_of) most_marks = std::max(most_marks, marks);
  }

  void add(const std::string& name, int stage, int tensor, const Job& job) {
    const int owner = plan::owner_of(name, job.ranks());
    items[static_cast<std::size_t>(owner)] += static_cast<std::uint64_t>(job.stage_ranks());
    wanted[owner][stage].insert(tensor);
  }
  /// Every rank with something in a group marks it once.
  void add_group(const std::string& group, int stage, int tensor, const Job& job) {
    if (!seen.emplace(group, stage).second) return;
    const int owner = plan::owner_of(group, job.ranks());
    items[static_cast<std::size_t>(owner)] += static_cast<std::uint64_t>(job.stage_ranks());
    marks_of[group] += static_cast<std::uint64_t>(job.stage_ranks());
    wanted[owner][stage].insert(tensor);
  }

  std::vector<std::uint64_t> items;                    ///< that each rank merges
  std::map<int, std::map<int, std::set<int>>> wanted;  ///< owner -> stage -> tensors that bring it something
  std::set<std::pair<std::string, int>> seen;
  std::map<std::string, std::uint64_t> marks_of;
  std::uint64_t most_marks = 0;
};

/// What all ranks send to one owner.
std::vector<Parcel> parcels_for(int owner, const Job& job, const Ownership& ownership) {
  std::vector<Parcel> in;
  const auto found = ownership.wanted.find(owner);
  if (found == ownership.wanted.end()) return in;
  for (const auto& [stage, tensors] : found->second)
    for (int rank = stage * job.stage_ranks(); rank < (stage + 1) * job.stage_ranks(); ++rank)
      for (Parcel& parcel : plan::items_for_owners(job.items(rank, {tensors.begin(), tensors.end()}), job.ranks()))
        if (parcel.rank == owner) in.push_back({rank, std::move(parcel.bytes)});
  return in;
}

/// What the owners send back to a rank that saves all that it holds, or its share of what others hold too.
std::vector<Parcel> pieces_for(int rank, const Job& job) {
  const std::vector<plan::Item> items = job.items(rank);
  std::map<int, std::vector<plan::Piece>> pieces;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (job.has_replicas() && static_cast<int>(i) % job.stage_ranks() != rank % job.stage_ranks()) continue;
    pieces[plan::owner_of(items[i].name, job.ranks())].push_back({{}, i, items[i].box, 0, volume(items[i].box.extent) * 4});
  }
  std::vector<Parcel> out;
  for (const auto& [owner, list] : pieces) out.push_back({owner, encode(list)});
  return out;
}

std::uint64_t bytes_of(const std::vector<Parcel>& parcels) {
  std::uint64_t sum = 0;
  for (const Parcel& parcel : parcels) sum += parcel.bytes.size();
  return sum;
}

/// All steps of exchange.cpp for one rank, between the messages. What arrives is made beforehand, and not timed.
RankWork work_of(int rank, const Job& job, const Ownership& ownership) {
  const std::vector<plan::Item> items = job.items(rank);
  const std::vector<Parcel> in = parcels_for(rank, job, ownership), back = pieces_for(rank, job);
  const Stopwatch watch;
  const std::vector<Parcel> out = plan::items_for_owners(items, job.ranks());
  plan::Merged merged = plan::merge(plan::items_from_ranks(in));
  std::vector<std::uint64_t> load = plan::fixed_load(merged, job.ranks());
  const std::vector<Parcel> pieces = plan::pieces_for_ranks(merged, std::move(load), rank);
  plan::RankPlan plan{.owned = {}, .pieces = {}};
  plan::take_pieces(plan, back);
  return {ownership.items[static_cast<std::size_t>(rank)], bytes_of(in), watch.seconds()};
}

template <class Field>
auto median_of(std::vector<RankWork> works, Field field) {
  std::ranges::sort(works, {}, field);
  return works[works.size() / 2].*field;
}

RankWork typical_of(const std::vector<RankWork>& works) {
  return {median_of(works, &RankWork::items), median_of(works, &RankWork::bytes_received),
          median_of(works, &RankWork::compute_s)};
}

/// One all-to-all among `ranks` that brings a rank `bytes`: first the sizes, then the greatest one, then a message for each.
double all_to_all_s(int ranks, double bytes, const Network& network) {
  const double rounds = std::ceil(std::log2(std::max(ranks, 2)));
  const double sizes_s = rounds * (network.message_s + ranks / 2.0 * 8 * network.byte_s);
  const double greatest_s = rounds * network.message_s;
  return sizes_s + greatest_s + (ranks - 1) * network.message_s + bytes * network.byte_s;
}

double allreduce_s(int ranks, double bytes, const Network& network) {
  return 2 * std::ceil(std::log2(std::max(ranks, 2))) * network.message_s + 2 * bytes * network.byte_s;
}

}  // namespace

Job::Job(const Workload& workload, int ranks, int shards)
    : workload_(workload),
      ranks_(ranks),
      shards_(shards),
      stage_ranks_(workload.ranks_per_tensor == 0 ? ranks : std::min(workload.ranks_per_tensor, ranks)) {}

std::string Job::name_of(int stage, int tensor) const {
  return "model/stage" + std::to_string(stage) + "/layer" + std::to_string(tensor / 10) + "/weight" + std::to_string(tensor % 10);
}

std::vector<plan::Item> Job::items(int rank, const std::vector<int>& tensors) const {
  const auto parts = static_cast<std::uint64_t>(workload_.replicas ? 1 : stage_ranks_);
  const auto part = static_cast<std::uint64_t>(workload_.replicas ? 0 : rank % stage_ranks_);
  std::vector<plan::Item> items;
  for (const int tensor : tensors)
    items.push_back({name_of(rank / stage_ranks_, tensor),
                     plan::Kind::tensor,
                     DType::f32,
                     {rows_per_part * parts, columns},
                     {{rows_per_part * part, 0}, {rows_per_part, columns}}});
  return items;
}

std::vector<plan::Item> Job::items(int rank) const {
  std::vector<int> all(static_cast<std::size_t>(shards_));
  std::iota(all.begin(), all.end(), 0);
  return items(rank, all);
}

SimulatedPlan simulate(const Job& job) {
  const Ownership ownership(job);
  SimulatedPlan result;
  std::mt19937 random(7);
  std::vector<RankWork> drawn;
  for (int i = 0; i < drawn_ranks; ++i)
    drawn.push_back(work_of(static_cast<int>(random() % static_cast<unsigned>(job.ranks())), job, ownership));
  result.typical = typical_of(drawn);
  const auto most = std::ranges::max_element(ownership.items);
  std::vector<RankWork> heaviest;
  for (int i = 0; i < 3; ++i) heaviest.push_back(work_of(static_cast<int>(most - ownership.items.begin()), job, ownership));
  result.heaviest = typical_of(heaviest);
  result.mean_items = std::accumulate(ownership.items.begin(), ownership.items.end(), 0.0) / job.ranks();
  const std::vector<Parcel> sent = plan::items_for_owners(job.items(0), job.ranks());
  result.bytes_sent = bytes_of(sent);
  result.receivers = sent.size();
  result.bytes_back = bytes_of(pieces_for(0, job));
  result.most_marks = ownership.most_marks;
  return result;
}

double messages_s(const SimulatedPlan& plan, const std::vector<int>& sides, const Network& network) {
  const int ranks = std::accumulate(sides.begin(), sides.end(), 1, std::multiplies());
  const auto sent = static_cast<double>(plan.bytes_sent), back = static_cast<double>(plan.bytes_back);
  const auto round_s = [&](double bytes) {
    double sum_s = 0;
    for (const int side : sides) sum_s += all_to_all_s(side, bytes, network);
    return sum_s;
  };
  constexpr int agreements = 5;  // exchange.cpp: four times all_or_none, and the totals
  return round_s(sent) + round_s(back) + allreduce_s(ranks, 8.0 * ranks, network) + agreements * allreduce_s(ranks, 16, network);
}

/// What arrives at a hop is for this about as much, in as many parcels, as what a rank has sent.
double packing_s(const Job& job, const std::vector<int>& sides) {
  if (sides.size() < 2) return 0;
  std::vector<Parcel> parcels = plan::items_for_owners(job.items(0), job.ranks());
  std::ranges::move(pieces_for(0, job), std::back_inserter(parcels));
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    std::vector<Bytes> bags(1);
    for (const Parcel& parcel : parcels) put(bags.front(), {0, parcel.rank, parcel.bytes});
    int stride = 1;
    for (const int side : sides) {
      bags = sorted(bags, side, [&](int rank) { return rank / stride % side; });
      stride *= side;
    }
    seconds.push_back(watch.seconds());
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

}  // namespace holdfast::benchmarks
