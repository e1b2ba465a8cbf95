#include "plan/assign.hpp"

#include <algorithm>

namespace holdfast::plan {
namespace {

/// Pieces start at a cache line, large ones at a page. Rows of whole pages start at a page in the file, too, so the
/// helper writes such pieces from where they lie.
constexpr std::uint64_t small_alignment = 64, large_alignment = 4096, large_from_bytes = 64 << 10;

/// A share, or a part of one that was cut.
struct Part {
  const Share* share = nullptr;
  Box box;
  std::uint64_t bytes = 0;
};

std::vector<Part> cut(const Share& share, std::uint64_t split_bytes) {
  const std::uint64_t wanted = (share.bytes + split_bytes - 1) / split_bytes;
  const std::uint64_t element_bytes = share.bytes == 0 ? 0 : share.bytes / volume(share.box.extent);
  std::vector<Part> parts;
  for (Box& box : split(share.box, std::min<std::uint64_t>(wanted, share.holders.size()))) {
    const std::uint64_t bytes = volume(box.extent) * element_bytes;
    parts.push_back({&share, std::move(box), bytes});
  }
  return parts;
}

/// The parts of all shares that more than one rank holds, largest first.
std::vector<Part> open_parts(const std::vector<Share>& shares, std::uint64_t split_bytes) {
  std::vector<Part> parts;
  for (const Share& share : shares)
    if (share.holders.size() > 1) std::ranges::move(cut(share, split_bytes), std::back_inserter(parts));
  std::ranges::stable_sort(parts, std::ranges::greater{}, &Part::bytes);
  return parts;
}

/// The holder with the least load. Where loads are equal, each owner starts from its own rank, so that the owners do
/// not all choose the same holder.
Holder least_loaded(const Share& share, const std::vector<std::uint64_t>& load, int owner) {
  const auto ranks = static_cast<int>(load.size());
  return std::ranges::min(share.holders, {}, [&](const Holder& holder) {
    return std::pair(load[static_cast<std::size_t>(holder.rank)], (holder.rank + ranks - owner % ranks) % ranks);
  });
}

std::uint64_t aligned(std::uint64_t offset, std::uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

std::map<int, std::vector<Piece>> assign(const std::vector<Share>& shares, std::vector<std::uint64_t> load, int owner,
                                         int owners, std::uint64_t split_bytes) {
  std::map<int, std::vector<Piece>> pieces;
  const auto give = [&](Holder holder, const Share& share, Box box, std::uint64_t bytes) {
    pieces[holder.rank].push_back({share.dataset, holder.item, std::move(box), 0, bytes});
  };
  for (const Share& share : shares)
    if (share.holders.size() == 1) give(share.holders.front(), share, share.box, share.bytes);
  for (Part& part : open_parts(shares, split_bytes)) {
    const Holder holder = least_loaded(*part.share, load, owner);
    // The other owners assign about as much at the same time. Counting that in keeps them from all filling one rank.
    load[static_cast<std::size_t>(holder.rank)] += part.bytes * static_cast<std::uint64_t>(owners);
    give(holder, *part.share, std::move(part.box), part.bytes);
  }
  return pieces;
}

std::uint64_t arena_offset_after(std::uint64_t end, std::uint64_t bytes) noexcept {
  return aligned(end, bytes < large_from_bytes ? small_alignment : large_alignment);
}

std::uint64_t place(std::vector<Piece>& pieces) {
  std::ranges::sort(pieces,
                    [](const Piece& a, const Piece& b) { return a.item != b.item ? a.item < b.item : a.box < b.box; });
  std::uint64_t end = 0;
  for (Piece& piece : pieces) {
    piece.arena_offset = arena_offset_after(end, piece.bytes);
    end = piece.arena_offset + piece.bytes;
  }
  return aligned(end, small_alignment);
}

}  // namespace holdfast::plan
