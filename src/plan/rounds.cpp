#include "plan/rounds.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/checksum.hpp"

namespace holdfast::plan {
namespace {

/// Replicas above this are cut. About the size from which a write is worth its call.
constexpr std::uint64_t split_bytes = 1U << 20;

/// An item on its way to the rank that owns its name.
struct SentItem {
  std::uint32_t item = 0;
  Item part;
  static void fields(auto& codec, auto& self) { codec(self.item, self.part); }
};

/// The groups that the items lie in: "model" and "model/net1" for "model/net1/weight".
std::unordered_set<std::string_view> groups_of(const std::vector<Item>& items) {
  std::unordered_set<std::string_view> groups;
  for (const Item& item : items) {
    const std::string_view name = item.name;
    // From the innermost outwards: a group that is known has parents that are known.
    for (std::size_t end = name.rfind('/'); end != name.npos && groups.insert(name.substr(0, end)).second;)
      end = name.rfind('/', end - 1);
  }
  return groups;
}

}  // namespace

int owner_of(std::string_view name, int ranks) noexcept {
  return static_cast<int>(checksum(std::as_bytes(std::span(name))) % static_cast<std::uint64_t>(ranks));
}

std::vector<Parcel> items_for_owners(const std::vector<Item>& items, int ranks) {
  std::vector<std::pair<int, SentItem>> sent;
  sent.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    sent.push_back({owner_of(items[i].name, ranks), {static_cast<std::uint32_t>(i), items[i]}});
  for (const std::string_view group : groups_of(items))
    sent.push_back({owner_of(group, ranks), {0, {std::string(group), Kind::group, {}, {}, {}}}});
  std::ranges::stable_sort(sent, {}, [](const auto& entry) { return entry.first; });
  std::vector<Parcel> out;
  for (auto first = sent.begin(); first != sent.end();) {
    std::vector<SentItem> list;
    const int owner = first->first;
    for (; first != sent.end() && first->first == owner; ++first) list.push_back(std::move(first->second));
    out.push_back({owner, encode(list)});
  }
  return out;
}

std::vector<RankItem> items_from_ranks(const std::vector<Parcel>& in) {
  std::vector<RankItem> items;
  for (const Parcel& parcel : in)
    for (SentItem& sent : decode<std::vector<SentItem>>(parcel.bytes))
      items.push_back({parcel.rank, sent.item, std::move(sent.part)});
  return items;
}

std::vector<std::uint64_t> fixed_load(const Merged& merged, int ranks) {
  std::vector<std::uint64_t> load(static_cast<std::size_t>(ranks));
  for (const Share& share : merged.shares)
    if (share.holders.size() == 1) load[static_cast<std::size_t>(share.holders.front().first)] += share.bytes;
  return load;
}

std::vector<Parcel> pieces_for_ranks(const Merged& merged, std::vector<std::uint64_t> load, int owner) {
  const auto owners = static_cast<int>(load.size());
  std::vector<Parcel> out;
  for (const auto& [rank, pieces] : assign(merged, std::move(load), owner, owners, split_bytes))
    out.push_back({rank, encode(pieces)});
  return out;
}

void take_pieces(RankPlan& plan, const std::vector<Parcel>& in) {
  for (const Parcel& parcel : in) std::ranges::move(decode<std::vector<Piece>>(parcel.bytes), std::back_inserter(plan.pieces));
  plan.arena_bytes = place(plan.pieces);
  for (const Piece& piece : plan.pieces) plan.staged_bytes += piece.bytes;
}

}  // namespace holdfast::plan
