#include "plan/replicas.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.hpp"
#include "base/intern_table.hpp"

namespace holdfast::plan {
namespace {

/// The head of an entry in a batch. The holders follow it, then the encoded item.
struct Label {
  std::uint64_t key = 0;  ///< checksum of the encoded item
  std::uint32_t holders = 0, item_bytes = 0;

  [[nodiscard]] std::size_t entry_bytes() const noexcept {
    return sizeof *this + holders * sizeof(Holder) + item_bytes;
  }
};

/// An entry, borrowed from its batch.
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

/// Equal entries, in the order of the batches.
struct Alike {
  std::uint32_t first = 0, last = 0;  ///< indices of entries
  Label label;                        ///< label of the united entry
};

void put(Bytes& batch, std::span<const std::byte> bytes) {
  batch.insert(batch.end(), bytes.begin(), bytes.end());
}

Entry take_entry(std::span<const std::byte>& batch) {
  Entry entry{.label = {}, .begin = batch.data()};
  if (batch.size() >= sizeof entry.label) std::memcpy(&entry.label, batch.data(), sizeof entry.label);
  if (batch.size() < entry.label.entry_bytes())
    throw Error(ErrorCode::communication, "ranks sent each other items that are cut off");
  batch = batch.subspan(entry.label.entry_bytes());
  return entry;
}

std::vector<Entry> entries_of(const std::vector<Bytes>& batches) {
  std::vector<Entry> entries;
  for (const Bytes& batch : batches)
    for (std::span<const std::byte> rest = batch; !rest.empty();) entries.push_back(take_entry(rest));
  return entries;
}

/// Groups equal entries. Sets `next[i]` to the next entry that equals entry i.
std::vector<Alike> find_alike(const std::vector<Entry>& entries, std::vector<std::uint32_t>& next) {
  std::vector<Alike> all;
  InternTable table(entries.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const auto is_like = [&](std::uint32_t n) {
      return std::ranges::equal(entries[all[n].first].item(), entry.item());
    };
    const std::uint32_t number = table.intern(entry.label.key, is_like);
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

Bytes append(Bytes batch, const Item& item) {
  Encoder encoder(std::move(batch));
  encoder(item);
  return encoder.take();
}

}  // namespace

Bytes pack_items(std::span<const Item> items, int rank) {
  Bytes batch;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    if (is_per_rank_kind(items[i].kind)) continue;
    const std::size_t begin = batch.size();
    Label label{.holders = 1};
    const Holder holder{rank, i};
    put(batch, std::as_bytes(std::span(&label, 1)));
    put(batch, std::as_bytes(std::span(&holder, 1)));
    const std::size_t item_begin = batch.size();
    batch = empty(items[i].box) ? append(std::move(batch), nowhere(items[i])) : append(std::move(batch), items[i]);
    const auto item = std::span(batch).subspan(item_begin);
    label.key = checksum(item);
    label.item_bytes = static_cast<std::uint32_t>(item.size());
    std::memcpy(batch.data() + begin, &label, sizeof label);
  }
  return batch;
}

std::vector<Bytes> unite(const std::vector<Bytes>& batches, int ranks, int peers,
                         const std::function<int(int rank)>& next_hop) {
  const std::vector<Entry> entries = entries_of(batches);
  std::vector<std::uint32_t> next(entries.size());
  const std::vector<Alike> all = find_alike(entries, next);
  const auto next_hop_at = [&](const Alike& alike) {
    return static_cast<std::size_t>(next_hop(static_cast<int>(alike.label.key % static_cast<std::uint64_t>(ranks))));
  };
  std::vector<std::size_t> sizes(static_cast<std::size_t>(peers));
  for (const Alike& alike : all) sizes[next_hop_at(alike)] += alike.label.entry_bytes();
  std::vector<Bytes> out(sizes.size());
  for (std::size_t place = 0; place < out.size(); ++place) out[place].reserve(sizes[place]);
  for (const Alike& alike : all) {
    Bytes& batch = out[next_hop_at(alike)];
    put(batch, std::as_bytes(std::span(&alike.label, 1)));
    for (std::uint32_t i = alike.first; i != alike.last; i = next[i]) put(batch, entries[i].holders());
    put(batch, entries[alike.last].holders());
    put(batch, entries[alike.first].item());
  }
  return out;
}

std::vector<HeldItem> unpack_items(std::span<const std::byte> batch) {
  std::vector<HeldItem> items;
  while (!batch.empty()) {
    const Entry entry = take_entry(batch);
    items.push_back({decode<Item>(entry.item()), std::vector<Holder>(entry.label.holders)});
    std::memcpy(items.back().holders.data(), entry.holders().data(), entry.holders().size());
  }
  return items;
}

}  // namespace holdfast::plan
