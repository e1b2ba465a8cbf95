#include "plan/replicas.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

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
  std::span<const std::byte> holders, item;

  [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(Label) + holders.size() + item.size(); }
};

void put(Bytes& bag, std::span<const std::byte> bytes) {
  bag.insert(bag.end(), bytes.begin(), bytes.end());
}

Entry take_entry(std::span<const std::byte>& bag) {
  Entry entry;
  const auto take = [&](std::size_t bytes) {
    if (bag.size() < bytes) throw Error(ErrorCode::communication, "ranks sent each other items that are cut off");
    const auto taken = bag.first(bytes);
    bag = bag.subspan(bytes);
    return taken;
  };
  std::memcpy(&entry.label, take(sizeof entry.label).data(), sizeof entry.label);
  entry.holders = take(entry.label.holders * sizeof(Holder));
  entry.item = take(entry.label.item_bytes);
  return entry;
}

std::vector<Entry> entries_of(const std::vector<Bytes>& bags) {
  std::vector<Entry> entries;
  for (const Bytes& bag : bags)
    for (std::span<const std::byte> rest = bag; !rest.empty();) entries.push_back(take_entry(rest));
  return entries;
}

/// Where an entry goes on to, and which one it is.
struct Way {
  int place = 0;
  std::uint32_t entry = 0;
  std::uint64_t key = 0;
};

/// Entries that are alike, as one.
void put_united(Bytes& bag, const std::vector<Entry>& entries, std::span<const Way> alike) {
  const Entry& first = entries[alike.front().entry];
  Label label = first.label;
  label.holders = 0;
  for (const Way& way : alike) label.holders += entries[way.entry].label.holders;
  put(bag, std::as_bytes(std::span(&label, 1)));
  for (const Way& way : alike) put(bag, entries[way.entry].holders);
  put(bag, first.item);
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
  std::vector<Way> ways;
  ways.reserve(entries.size());
  std::vector<std::size_t> bytes(static_cast<std::size_t>(places));
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t key = entries[i].label.key;
    const int place = place_of(static_cast<int>(key % static_cast<std::uint64_t>(ranks)));
    ways.push_back({place, i, key});
    bytes[static_cast<std::size_t>(place)] += entries[i].bytes();
  }
  std::ranges::sort(ways, {}, [](const Way& way) { return std::tuple(way.place, way.key, way.entry); });
  std::vector<Bytes> out(bytes.size());
  for (std::size_t place = 0; place < out.size(); ++place) out[place].reserve(bytes[place]);
  for (auto first = ways.begin(); first != ways.end();) {
    const auto last = std::find_if_not(first, ways.end(), [&](const Way& way) {
      return way.place == first->place && way.key == first->key &&
             std::ranges::equal(entries[way.entry].item, entries[first->entry].item);
    });
    put_united(out[static_cast<std::size_t>(first->place)], entries, {first, last});
    first = last;
  }
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
