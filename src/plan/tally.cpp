#include "plan/tally.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/checksum.hpp"
#include "base/numbering.hpp"

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
  std::size_t count = 0;
  for (const std::vector<Tally>& list : arrived_) count += list.size();
  numbers_.reserve(count);
  Numbering names(count);
  for (const std::vector<Tally>& list : arrived_)
    for (const Tally& tally : list) {
      const std::uint32_t number = names.number_of(tally.key, [](std::uint32_t) { return true; });
      numbers_.push_back(number);
      if (number == united_.size())
        united_.push_back(tally);
      else
        add(united_[number], tally);
    }
  answers_.resize(united_.size());
}

std::vector<std::vector<Tally>> TallyStop::leave(int ranks, int places, const std::function<int(int rank)>& place_of) {
  std::vector<std::vector<Tally>> out(static_cast<std::size_t>(places));
  places_.resize(out.size());
  for (auto& list : out) list.reserve(2 * united_.size() / out.size());
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
  std::optional<std::uint64_t> least;
  for (const Tally& tally : united_)
    if (tally.definition == ranks_disagree || tally.cover != tally.wanted) least = std::min(tally.key, least.value_or(tally.key));
  return least;
}

void TallyStop::answer() {
  for (std::size_t i = 0; i < united_.size(); ++i) answers_[i].total = united_[i].count;
}

std::vector<std::vector<CountAnswer>> TallyStop::answers() const {
  std::vector<std::vector<CountAnswer>> out;
  std::vector<CountAnswer> next = answers_;
  auto number = numbers_.begin();
  for (const std::vector<Tally>& list : arrived_) {
    std::vector<CountAnswer>& answers = out.emplace_back();
    for (const Tally& tally : list) {
      CountAnswer& answer = next[*number++];
      answers.push_back(answer);
      answer.before += tally.count;
      answer.ranks_before += tally.ranks;
    }
  }
  return out;
}

}  // namespace holdfast::plan
