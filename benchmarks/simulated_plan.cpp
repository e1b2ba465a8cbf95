#include "simulated_plan.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <unordered_set>

#include "base/checksum.hpp"
#include "base/clock.hpp"
#include "measure.hpp"
#include "plan/rounds.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr int drawn_ranks = 5, runs_in_a_row = 21;
constexpr int kept_heap_bytes = 1 << 30, largest_in_heap_bytes = 32 << 20;
constexpr std::uint64_t rows_per_part = 64, columns = 64;

int to_the_only_place(int) {
  return 0;
}

int end_of(std::uint64_t key, int ranks) {
  return static_cast<int>(key % static_cast<std::uint64_t>(ranks));
}

/// A grid of ranks, as mpi::Grid has it.
class Sides {
 public:
  explicit Sides(const std::vector<int>& sides) : sides_(sides) {
    for (const int side : sides) strides_.push_back(strides_.back() * side);
  }
  [[nodiscard]] std::size_t hops() const { return sides_.size(); }
  [[nodiscard]] int side(std::size_t hop) const { return sides_[hop]; }
  [[nodiscard]] int place(int rank, std::size_t hop) const { return rank / strides_[hop] % sides_[hop]; }
  /// Is what goes from one rank to another at a third one after this hop?
  [[nodiscard]] bool passes(int from, int to, int through, std::size_t hop) const {
    const int stride = strides_[hop + 1];
    return to % stride == through % stride && from / stride == through / stride;
  }

 private:
  std::vector<int> sides_, strides_ = {1};
};

/// Where everything ends: all parts of the job, and what is counted of them for each rank.
struct Ends {
  explicit Ends(const Job& job)
      : items(static_cast<std::size_t>(job.ranks())),
        holders(items.size()),
        names(items.size()),
        of_parts(items.size()) {
    for (int rank = 0; rank < job.ranks(); ++rank) {
      const bool is_new = rank == 0 || !job.has_replicas();
      of_parts[static_cast<std::size_t>(rank)] = is_new ? ends_of(job, rank) : of_parts.front();
      for (const int end : of_parts[static_cast<std::size_t>(rank)]) {
        ++holders[static_cast<std::size_t>(end)];
        if (is_new) ++items[static_cast<std::size_t>(end)];
      }
    }
    std::unordered_set<std::uint64_t> keys;
    for (int stage = 0; stage < job.stages(); ++stage) {
      const std::vector<plan::Item> of_stage = job.items(stage * job.stage_ranks());
      for (const plan::Item& item : of_stage) keys.insert(plan::key_of(item.name));
      for (const std::string_view group : plan::groups_of(of_stage)) keys.insert(plan::key_of(group));
    }
    for (const std::uint64_t key : keys) ++names[static_cast<std::size_t>(end_of(key, job.ranks()))];
  }

  std::vector<std::uint64_t> items, holders, names;  ///< that end at each rank
  std::vector<std::vector<int>> of_parts;            ///< by rank and item

 private:
  static std::vector<int> ends_of(const Job& job, int rank) {
    std::vector<int> ends;
    for (const plan::Item& item : job.items(rank)) ends.push_back(end_of(checksum(encode(item)), job.ranks()));
    return ends;
  }
};

/// What arrives at one rank, by hop and place.
struct Arrivals {
  int rank = 0;
  std::vector<std::vector<Bytes>> items = {};
  std::vector<std::vector<std::vector<plan::NameSummary>>> summaries = {};
};

/// Plays all ranks, as far as they send something to those that are watched.
class Watch {
 public:
  Watch(const Job& job, const Sides& sides, const Ends& ends, std::span<const int> ranks) : job_(job), sides_(sides) {
    for (const int rank : ranks) {
      Arrivals& arrivals = arrivals_.emplace_back(Arrivals{.rank = rank});
      for (std::size_t hop = 0; hop < sides.hops(); ++hop) {
        arrivals.items.emplace_back(static_cast<std::size_t>(sides.side(hop)));
        arrivals.summaries.emplace_back(static_cast<std::size_t>(sides.side(hop)));
      }
    }
    for (int rank = 0; rank < job.ranks(); ++rank) add_rank(rank, ends.of_parts[static_cast<std::size_t>(rank)]);
    unite_at_senders();
  }
  [[nodiscard]] std::vector<Arrivals> take_arrivals() { return std::move(arrivals_); }

 private:
  /// Its items, the summaries that they make where they end, and those of its groups.
  void add_rank(int rank, const std::vector<int>& ends) {
    const std::vector<plan::Item> items = job_.items(rank);
    for (std::size_t i = 0; i < items.size(); ++i) {
      at_each_stop(rank, ends[i], [&](Arrivals& arrivals, std::size_t hop, std::size_t place) {
        const Bytes packed = plan::pack_items(std::span(items).subspan(i, 1), rank);
        Bytes& batch = arrivals.items[hop][place];
        batch.insert(batch.end(), packed.begin(), packed.end());
      });
      if (rank == 0 || !job_.has_replicas())
        add_tally(ends[i], plan::key_of(items[i].name), [&] { return summary_of(items[i]); });
    }
    for (const std::string_view group : plan::groups_of(items))
      add_tally(rank, plan::key_of(group), [&] { return plan::summary_of_group(group); });
  }
  template <class Make>
  void add_tally(int from, std::uint64_t key, Make&& make) {
    at_each_stop(from, end_of(key, job_.ranks()), [&](Arrivals& arrivals, std::size_t hop, std::size_t place) {
      arrivals.summaries[hop][place].push_back(make());
    });
  }
  template <class Function>
  void at_each_stop(int from, int to, Function&& function) {
    for (Arrivals& arrivals : arrivals_)
      for (std::size_t hop = 0; hop < sides_.hops(); ++hop)
        if (sides_.passes(from, to, arrivals.rank, hop))
          function(arrivals, hop, static_cast<std::size_t>(sides_.place(from, hop)));
  }
  void unite_at_senders() {
    for (Arrivals& arrivals : arrivals_)
      for (std::size_t hop = 0; hop < sides_.hops(); ++hop)
        for (std::size_t place = 0; place < arrivals.items[hop].size(); ++place) {
          Bytes& batch = arrivals.items[hop][place];
          batch = plan::unite({batch}, 1, 1, to_the_only_place).front();
          auto& summaries = arrivals.summaries[hop][place];
          summaries = plan::SummaryHop({summaries}).forward(1, 1, to_the_only_place).front();
        }
  }

  const Job& job_;
  const Sides& sides_;
  std::vector<Arrivals> arrivals_;
};

/// What is sent back to a rank that saves all that it holds, or its share of what others hold too.
std::vector<RankMessage> pieces_for(int rank, const Job& job) {
  const std::vector<plan::Item> items = job.items(rank);
  std::map<int, std::vector<plan::Piece>> pieces;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (job.has_replicas() && static_cast<int>(i) % job.stage_ranks() != rank % job.stage_ranks()) continue;
    pieces[end_of(checksum(encode(items[i])), job.ranks())].push_back(
        {plan::key_of(items[i].name), i, items[i].box, 0, volume(items[i].box.extent) * 4});
  }
  std::vector<RankMessage> out;
  for (const auto& [owner, list] : pieces) out.push_back({owner, encode(list)});
  return out;
}

template <class Lists>
std::uint64_t bytes_of(const Lists& lists) {
  std::uint64_t sum = 0;
  for (const auto& list : lists) sum += list.size() * sizeof list[0];
  return sum;
}

std::uint64_t bytes_of(const std::vector<RankMessage>& messages) {
  std::uint64_t sum = 0;
  for (const RankMessage& message : messages) sum += message.bytes.size();
  return sum;
}

/// One rank's steps of exchange.cpp, between messages that have come already.
class Steps {
 public:
  Steps(const Job& job, const Sides& sides, const Arrivals& arrivals)
      : ranks_(job.ranks()),
        rank_(arrivals.rank),
        sides_(sides),
        arrivals_(arrivals),
        items_(job.items(arrivals.rank)),
        back_(pieces_for(arrivals.rank, job)) {}

  double seconds() const {
    const Stopwatch watch;
    const std::vector<plan::HeldItem> held = meet_replicas();
    std::vector<plan::NameSummary> summaries = plan::summaries_of(items_, held);
    const std::vector<plan::Share> shares = plan::shares_of(held);
    std::vector<std::uint64_t> load(static_cast<std::size_t>(ranks_));
    plan::add_fixed_load(shares, items_, rank_, load);
    const std::vector<plan::CountAnswer> answers = add_up(std::move(summaries));
    carry(plan::pieces_for_ranks(shares, std::move(load), rank_));
    plan::RankPlan plan{.owned = plan::definitions(items_, held, answers), .pieces = {}};
    plan::take_pieces(plan, back_, items_, answers);
    return watch.seconds();
  }

 private:
  [[nodiscard]] std::function<int(int)> place_at(std::size_t hop) const {
    return [this, hop](int rank) { return sides_.place(rank, hop); };
  }
  std::vector<plan::HeldItem> meet_replicas() const {
    static_cast<void>(plan::unite({plan::pack_items(items_, rank_)}, ranks_, sides_.side(0), place_at(0)));
    for (std::size_t hop = 1; hop < sides_.hops(); ++hop)
      static_cast<void>(plan::unite(arrivals_.items[hop - 1], ranks_, sides_.side(hop), place_at(hop)));
    return plan::unpack_items(plan::unite(arrivals_.items.back(), ranks_, 1, to_the_only_place).front());
  }
  std::vector<plan::CountAnswer> add_up(std::vector<plan::NameSummary> summaries) const {
    std::vector<plan::SummaryHop> way;
    way.emplace_back(std::vector<std::vector<plan::NameSummary>>{std::move(summaries)});
    for (std::size_t hop = 0; hop < sides_.hops(); ++hop) {
      static_cast<void>(way.back().forward(ranks_, sides_.side(hop), place_at(hop)));
      way.emplace_back(arrivals_.summaries[hop]);
    }
    static_cast<void>(way.back().conflict());
    return {};  // nobody has per-rank values
  }
  /// What arrives at a hop is for this as much, in as many messages, as what a rank has sent.
  void carry(const std::vector<RankMessage>& messages) const {
    std::vector<Bytes> batches(1);
    for (const RankMessage& message : messages) put(batches.front(), {rank_, message.rank, message.bytes});
    for (std::size_t hop = 0; hop < sides_.hops(); ++hop) batches = sorted(batches, sides_.side(hop), place_at(hop));
  }

  const int ranks_, rank_;
  const Sides& sides_;
  const Arrivals& arrivals_;
  const std::vector<plan::Item> items_;
  const std::vector<RankMessage> back_;
};

/// A rank that is looked at, and how long its steps took each time.
struct Watched {
  RankWork work;
  Steps steps;
  std::vector<double> seconds = {};
};

Watched watch(const Job& job, const Sides& sides, const Ends& ends, const Arrivals& arrivals) {
  const auto rank = static_cast<std::size_t>(arrivals.rank);
  RankWork work{.items = ends.items[rank], .holders = ends.holders[rank]};
  for (std::size_t hop = 0; hop < sides.hops(); ++hop)
    work.bytes_received += bytes_of(arrivals.items[hop]) + bytes_of(arrivals.summaries[hop]);
  return {work, Steps(job, sides, arrivals)};
}

template <class Field>
auto median_of(std::vector<RankWork> works, Field field) {
  std::ranges::sort(works, {}, field);
  return works[works.size() / 2].*field;
}

RankWork typical_of(const std::vector<RankWork>& works) {
  return {median_of(works, &RankWork::items), median_of(works, &RankWork::holders),
          median_of(works, &RankWork::bytes_received), median_of(works, &RankWork::compute_s)};
}

int position_of_most(const std::vector<std::uint64_t>& numbers) {
  return static_cast<int>(std::ranges::max_element(numbers) - numbers.begin());
}

/// Those drawn by chance first.
std::vector<int> ranks_to_watch(const Job& job, const Ends& ends) {
  std::mt19937 random(7);
  std::vector<int> ranks(drawn_ranks);
  std::ranges::generate(ranks, [&] { return static_cast<int>(random() % static_cast<unsigned>(job.ranks())); });
  for (const auto* numbers : {&ends.items, &ends.holders, &ends.names}) ranks.push_back(position_of_most(*numbers));
  return ranks;
}

/// One all-to-all among `ranks` that brings a rank `bytes`.
double all_to_all_s(int ranks, double bytes, const Network& network) {
  return (ranks - 1) * network.message_s + bytes * network.byte_s;
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
  return "model/stage" + std::to_string(stage) + "/layer" + std::to_string(tensor / 10) + "/weight" +
         std::to_string(tensor % 10);
}

std::vector<plan::Item> Job::items(int rank) const {
  const auto parts = static_cast<std::uint64_t>(workload_.replicas ? 1 : stage_ranks_);
  const auto part = static_cast<std::uint64_t>(workload_.replicas ? 0 : rank % stage_ranks_);
  std::vector<plan::Item> items;
  items.reserve(static_cast<std::size_t>(shards_));
  for (int tensor = 0; tensor < shards_; ++tensor)
    items.push_back({name_of(rank / stage_ranks_, tensor),
                     plan::DatasetKind::tensor,
                     DType::f32,
                     {rows_per_part * parts, columns},
                     {{rows_per_part * part, 0}, {rows_per_part, columns}}});
  return items;
}

struct Simulation::Parts {
  Parts(const Job& its_job, const std::vector<int>& its_sides)
      : job(its_job),
        sides(its_sides),
        ends(job),
        arrivals(Watch(job, sides, ends, ranks_to_watch(job, ends)).take_arrivals()) {
    for (const Arrivals& at_rank : arrivals) watched.push_back(watch(job, sides, ends, at_rank));
  }

  const Job job;
  const Sides sides;
  const Ends ends;
  const std::vector<Arrivals> arrivals;
  std::vector<Watched> watched;
};

Simulation::Simulation(const Job& job, const std::vector<int>& sides) : parts_(std::make_unique<Parts>(job, sides)) {
  // What one run frees is there for the next one, instead of being given back and faulted in anew.
  mallopt(M_TRIM_THRESHOLD, kept_heap_bytes);
  mallopt(M_MMAP_THRESHOLD, largest_in_heap_bytes);
}

Simulation::~Simulation() = default;

void Simulation::run() {
  for (Watched& one : parts_->watched) one.seconds.push_back(one.steps.seconds());
}

SimulatedPlan Simulation::plan() const {
  const auto& [job, sides, ends, arrivals, watched] = *parts_;
  std::vector<RankWork> works;
  for (const Watched& one : watched) {
    works.push_back(one.work);
    works.back().compute_s = median(one.seconds);
  }
  SimulatedPlan result{
      .typical = typical_of({works.begin(), works.begin() + drawn_ranks}),
      .heaviest = *std::max_element(works.begin() + drawn_ranks, works.end(),
                                    [](const auto& a, const auto& b) { return a.compute_s < b.compute_s; })};
  result.mean_items = std::accumulate(ends.items.begin(), ends.items.end(), 0.0) / job.ranks();
  result.most_names = std::ranges::max(ends.names);
  const Arrivals& first = arrivals.front();
  result.bytes_items = bytes_of(first.items.front());
  result.bytes_tallies = bytes_of(first.summaries.front());
  result.bytes_pieces = bytes_of(pieces_for(first.rank, job));
  return result;
}

SimulatedPlan simulate(const Job& job, const std::vector<int>& sides) {
  Simulation simulation(job, sides);
  for (int run = 0; run < runs_in_a_row; ++run) simulation.run();
  return simulation.plan();
}

double messages_s(const SimulatedPlan& plan, const std::vector<int>& sides, const Network& network) {
  const int ranks = std::accumulate(sides.begin(), sides.end(), 1, std::multiplies());
  const auto round_s = [&](auto bytes) {
    double sum_s = 0;
    for (const int side : sides) sum_s += all_to_all_s(side, static_cast<double>(bytes), network);
    return sum_s;
  };
  return round_s(plan.bytes_items) + round_s(plan.bytes_tallies) + round_s(plan.bytes_pieces) +
         allreduce_s(ranks, 8.0 * ranks, network);
}

}  // namespace holdfast::benchmarks
