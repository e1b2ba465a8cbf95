#include "plan/replicas.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.hpp"
#include "base/numbering.hpp"

namespace holdfast::plan {
namespace {

/// What an entry of a bag begins with; after it come the holders, then the encoded item.
struct Label {
  std::uint64_t key = 0;  ///< checksum of the encoded item
  std::uint32_t holders = 0, item_bytes = 0;

  [[nodiscard]] std::size_t entry_bytes() const noexcept { return sizeof *this + holders * sizeof(Holder) + item_bytes; }
};

/// An entry where it lies in its bag.
struct Entry {
  Label label;
  const std::byte* begin = nullptr;

  [[nodiscard]] std::span<const std::byte> holders() const noexcept {
    return {begin + sizeof label, label.holders * sizeof(Holder)};
  }
  [[nodiscard]] std::span<const std::byte> item() const noexcept {
    return {holders().data() + holders().size(), label.item_bytes};
  }
};

/// Those that are alike, in the order of the bags.
struct Alike {
  std::uint32_t first = 0, last = 0;  ///< entries
  Label label;                        ///< of all of them together
};

void put(Bytes& bag, std::span<const std::byte> bytes) {
  bag.insert(bag.end(), bytes.begin(), bytes.end());
}

Entry take_entry(std::span<const std::byte>& bag) {
  Entry entry{.label = {}, .begin = bag.data()};
  if (bag.size() >= sizeof entry.label) std::memcpy(&entry.label, bag.data(), sizeof entry.label);
  if (bag.size() < entry.label.entry_bytes())
    throw Error(ErrorCode::communication, "ranks sent each other items that are cut off");
  bag = bag.subspan(entry.label.entry_bytes());
  return entry;
}

std::vector<Entry> entries_of(const std::vector<Bytes>& bags) {
  std::vector<Entry> entries;
  for (const Bytes& bag : bags)
    for (std::span<const std::byte> rest = bag; !rest.empty();) entries.push_back(take_entry(rest));
  return entries;
}

/// `next[i]` is the next entry that is like entry i.
std::vector<Alike> find_alike(const std::vector<Entry>& entries, std::vector<std::uint32_t>& next) {
  std::vector<Alike> all;
  Numbering numbering(entries.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const auto is_like = [&](std::uint32_t n) { return std::ranges::equal(entries[all[n].first].item(), entry.item()); };
    const std::uint32_t number = numbering.number_of(entry.label.key, is_like);
    if (number == all.size()) {
      all.push_back({i, i, entry.label});
      continue;
    }
    Alike& alike = all[number];
    next[std::exchange(alike.last, i)] = i;
    alike.label.holders += entry.label.holders;
  }
  return all;
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
  const std::vector<Entry> entries = entries_of(bags);
  std::vector<std::uint32_t> next(entries.size());
  const std::vector<Alike> all = find_alike(entries, next);
  const auto place_at = [&](const Alike& alike) {
    return static_cast<std::size_t>(place_of(static_cast<int>(alike.label.key % static_cast<std::uint64_t>(ranks))));
  };
  std::vector<std::size_t> sizes(static_cast<std::size_t>(places));
  for (const Alike& alike : all) sizes[place_at(alike)] += alike.label.entry_bytes();
  std::vector<Bytes> out(sizes.size());
  for (std::size_t place = 0; place < out.size(); ++place) out[place].reserve(sizes[place]);
  for (const Alike& alike : all) {
    Bytes& bag = out[place_at(alike)];
    put(bag, std::as_bytes(std::span(&alike.label, 1)));
    for (std::uint32_t i = alike.first; put(bag, entries[i].holders()), i != alike.last;) i = next[i];
    put(bag, entries[alike.first].item());
  }
  return out;
}

std::vector<HeldItem> unpack_items(std::span<const std::byte> bag) {
  std::vector<HeldItem> items;
  while (!bag.empty()) {
    const Entry entry = take_entry(bag);
    items.push_back({decode<Item>(entry.item()), std::vector<Holder>(entry.label.holders)});
    std::memcpy(items.back().holders.data(), entry.holders().data(), entry.holders().size());
  }
  return items;
}

}  // namespace holdfast::plan
