#include "plan/replicas.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/checksum.hpp"

namespace holdfast::plan {
namespace {

/// What an entry of a bag begins with; after it come the holders, then the encoded item.
struct Label {
  std::uint64_t key = 0;  ///< checksum of the encoded item
  std::uint32_t holders = 0, item_bytes = 0;
};

/// An entry where it lies in its bag.
struct Entry {
  Label label;
  std::span<const std::byte> all, holders, item;

  [[nodiscard]] bool is_like(const Entry& other) const noexcept {
    return label.key == other.label.key && std::ranges::equal(item, other.item);
  }
};

void put(Bytes& bag, std::span<const std::byte> bytes) {
  bag.insert(bag.end(), bytes.begin(), bytes.end());
}

Entry take_entry(std::span<const std::byte>& bag) {
  Entry entry{.all = bag};
  const auto take = [&](std::size_t bytes) {
    if (bag.size() < bytes) throw Error(ErrorCode::communication, "ranks sent each other items that are cut off");
    const auto taken = bag.first(bytes);
    bag = bag.subspan(bytes);
    return taken;
  };
  std::memcpy(&entry.label, take(sizeof entry.label).data(), sizeof entry.label);
  entry.holders = take(entry.label.holders * sizeof(Holder));
  entry.item = take(entry.label.item_bytes);
  entry.all = entry.all.first(entry.all.size() - bag.size());
  return entry;
}

void put_united(Bytes& bag, std::span<const Entry> alike) {
  if (alike.size() == 1) return put(bag, alike.front().all);
  Label label = alike.front().label;
  label.holders = 0;
  for (const Entry& entry : alike) label.holders += entry.label.holders;
  put(bag, std::as_bytes(std::span(&label, 1)));
  for (const Entry& entry : alike) put(bag, entry.holders);
  put(bag, alike.front().item);
}

/// Those that are alike as one, with their holders in the order given.
Bytes united(std::vector<Entry> entries) {
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return entry.label.key; });
  Bytes bag;
  bag.reserve(std::accumulate(entries.begin(), entries.end(), std::size_t{0},
                              [](std::size_t bytes, const Entry& entry) { return bytes + entry.all.size(); }));
  for (auto first = entries.begin(); first != entries.end();) {
    const auto last = std::find_if_not(first, entries.end(), [&](const Entry& entry) { return entry.is_like(*first); });
    put_united(bag, {first, last});
    first = last;
  }
  return bag;
}

Item nowhere(Item item) {
  std::ranges::fill(item.box.offset, 0);
  std::ranges::fill(item.box.extent, 0);
  return item;
}

Bytes append(Bytes bag, const Item& item) {
  Encoder encoder(std::move(bag));
  encoder(item);
  return encoder.take();
}

}  // namespace

Bytes pack_items(std::span<const Item> items, int rank) {
  Bytes bag;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (is_per_rank_kind(items[i].kind)) continue;
    const std::size_t begin = bag.size();
    Label label{.holders = 1};
    const Holder holder{rank, i};
    put(bag, std::as_bytes(std::span(&label, 1)));
    put(bag, std::as_bytes(std::span(&holder, 1)));
    const std::size_t item_begin = bag.size();
    bag = empty(items[i].box) ? append(std::move(bag), nowhere(items[i])) : append(std::move(bag), items[i]);
    const auto item = std::span(bag).subspan(item_begin);
    label.key = checksum(item);
    label.item_bytes = static_cast<std::uint32_t>(item.size());
    std::memcpy(bag.data() + begin, &label, sizeof label);
  }
  return bag;
}

std::vector<Bytes> unite(const std::vector<Bytes>& bags, int ranks, int places, const std::function<int(int rank)>& place_of) {
  std::vector<std::vector<Entry>> by_place(static_cast<std::size_t>(places));
  for (const Bytes& bag : bags)
    for (std::span<const std::byte> rest = bag; !rest.empty();) {
      const Entry entry = take_entry(rest);
      const auto receiver = static_cast<int>(entry.label.key % static_cast<std::uint64_t>(ranks));
      by_place[static_cast<std::size_t>(place_of(receiver))].push_back(entry);
    }
  std::vector<Bytes> out;
  for (std::vector<Entry>& entries : by_place) out.push_back(united(std::move(entries)));
  return out;
}

std::vector<HeldItem> unpack_items(std::span<const std::byte> bag) {
  std::vector<HeldItem> items;
  while (!bag.empty()) {
    const Entry entry = take_entry(bag);
    items.push_back({decode<Item>(entry.item), std::vector<Holder>(entry.label.holders)});
    std::memcpy(items.back().holders.data(), entry.holders.data(), entry.holders.size());
  }
  return items;
}

}  // namespace holdfast::plan
