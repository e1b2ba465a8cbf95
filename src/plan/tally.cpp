#include "plan/tally.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "base/checksum.hpp"

namespace holdfast::plan {
namespace {

constexpr std::uint64_t ranks_disagree = 0, group_definition = 1;

std::uint64_t definition_of(const Item& item) {
  Bytes bytes;
  bytes.reserve(256);  // instead of growing field by field
  Encoder encoder(std::move(bytes));
  const bool is_one_number = is_per_rank_kind(item.kind) && item.box.dimensions() == 0;
  encoder(item.name, item.kind, item.dtype, item.global, item.content, is_one_number);
  return checksum(encoder.take()) | 2;  // neither of the two above
}

void add(Tally& sum, const Tally& tally) {
  if (sum.definition != tally.definition) sum.definition = ranks_disagree;
  sum.cover += tally.cover;
  sum.count += tally.count;
  sum.ranks += tally.ranks;
}

}  // namespace

Tally tally_of(const Item& item) {
  Tally tally{.key = key_of(item.name), .definition = definition_of(item), .cover = {}, .wanted = {}};
  if (is_per_rank_kind(item.kind)) {
    tally.count = volume(item.box.extent);
    tally.ranks = 1;
  } else {
    tally.cover = CoverSum(item.box);
    tally.wanted = CoverSum(whole(item.global));
  }
  return tally;
}

Tally tally_of_group(std::string_view name) noexcept {
  return {.key = key_of(name), .definition = group_definition, .cover = {}, .wanted = {}};
}

std::vector<std::string_view> groups_of(std::span<const Item> items) {
  std::unordered_set<std::string_view> groups;
  for (const Item& item : items) {
    const std::string_view name = item.name;
    // From the innermost outwards: a group that is known has parents that are known.
    for (std::size_t end = name.rfind('/'); end != name.npos && groups.insert(name.substr(0, end)).second;)
      end = name.rfind('/', end - 1);
  }
  return {groups.begin(), groups.end()};
}

TallyStop::TallyStop(std::vector<std::vector<Tally>> arrived) : arrived_(std::move(arrived)) {
  for (std::uint32_t from = 0; from < arrived_.size(); ++from)
    for (std::uint32_t number = 0; number < arrived_[from].size(); ++number)
      order_.push_back({arrived_[from][number].key, from, number});
  std::ranges::sort(order_, {}, [](const Arrived& one) { return std::tuple(one.key, one.from, one.number); });
  for (const Arrived& one : order_) {
    const Tally& tally = arrived_[one.from][one.number];
    if (united_.empty() || united_.back().key != tally.key)
      united_.push_back(tally);
    else
      add(united_.back(), tally);
  }
  answers_.resize(united_.size());
}

std::vector<std::vector<Tally>> TallyStop::leave(int ranks, int places, const std::function<int(int rank)>& place_of) {
  std::vector<std::vector<Tally>> out(static_cast<std::size_t>(places));
  places_.resize(out.size());
  for (std::uint32_t i = 0; i < united_.size(); ++i) {
    const auto owner = static_cast<int>(united_[i].key % static_cast<std::uint64_t>(ranks));
    const auto place = static_cast<std::size_t>(place_of(owner));
    out[place].push_back(united_[i]);
    places_[place].push_back(i);
  }
  return out;
}

void TallyStop::take(const std::vector<std::vector<CountAnswer>>& from_places) {
  for (std::size_t place = 0; place < places_.size(); ++place)
    for (std::size_t i = 0; i < places_[place].size(); ++i) answers_[places_[place][i]] = from_places.at(place).at(i);
}

std::optional<std::uint64_t> TallyStop::conflict() const {
  const auto bad = std::ranges::find_if(
      united_, [](const Tally& tally) { return tally.definition == ranks_disagree || tally.cover != tally.wanted; });
  if (bad == united_.end()) return std::nullopt;
  return bad->key;
}

void TallyStop::answer() {
  for (std::size_t i = 0; i < united_.size(); ++i) answers_[i].total = united_[i].count;
}

std::vector<std::vector<CountAnswer>> TallyStop::answers() const {
  std::vector<std::vector<CountAnswer>> out(arrived_.size());
  for (std::size_t from = 0; from < out.size(); ++from) out[from].resize(arrived_[from].size());
  auto united = united_.begin();
  CountAnswer next;
  for (auto one = order_.begin(); one != order_.end(); ++one) {
    if (one == order_.begin() || one->key != std::prev(one)->key) {
      united = std::ranges::find(united, united_.end(), one->key, &Tally::key);
      next = answers_[static_cast<std::size_t>(united - united_.begin())];
    }
    out[one->from][one->number] = next;
    const Tally& tally = arrived_[one->from][one->number];
    next.before += tally.count;
    next.ranks_before += tally.ranks;
  }
  return out;
}

}  // namespace holdfast::plan
