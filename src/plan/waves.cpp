#include "plan/waves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "plan/assign.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::plan {
namespace {

/// A slab takes at most this part of a wave, so no more than that stays empty because the next slab does not fit.
constexpr std::uint64_t slabs_per_wave = 8;
constexpr std::uint64_t most_waves = 1000;

/// Fills one wave after the other.
class Waves {
 public:
  explicit Waves(const Window& window) : window_(window) {}

  void add(Piece piece, const std::string& name) {
    std::uint64_t offset = arena_offset_after(end_, piece.bytes);
    if (offset + piece.bytes > window_.bytes) {
      ++wave_;
      offset = 0;
    }
    if (piece.bytes > window_.bytes)
      throw Error(ErrorCode::out_of_memory,
                  fmt::format("it takes {} bytes at once; {} leaves {} for this rank", piece.bytes, window_.limit,
                              window_.bytes),
                  {.tensor = name});
    piece.wave = wave_;
    piece.arena_offset = offset;
    end_ = offset + piece.bytes;
    largest_ = std::max(largest_, end_);
    placed_.push_back(std::move(piece));
  }
  [[nodiscard]] std::uint32_t wave() const noexcept { return wave_; }
  [[nodiscard]] std::uint64_t largest() const noexcept { return largest_; }
  [[nodiscard]] std::vector<Piece> take() noexcept { return std::move(placed_); }

 private:
  const Window& window_;
  std::uint32_t wave_ = 0;
  std::uint64_t end_ = 0, largest_ = 0;
  std::vector<Piece> placed_;
};

void add_in_slabs(Waves& waves, const Piece& piece, const std::string& name, std::uint64_t slab_bytes) {
  const std::uint64_t element_bytes = piece.bytes / volume(piece.box.extent);
  for (Slab& slab : slabs(piece.box, element_bytes, slab_bytes)) {
    Piece part = piece;
    part.box = std::move(slab.box);
    part.bytes = slab.bytes;
    waves.add(std::move(part), name);
  }
}

}  // namespace

std::uint32_t place_in_waves(RankPlan& plan, std::span<const Item> items, const Window& window) {
  const std::uint64_t all_bytes =
      std::accumulate(plan.pieces.begin(), plan.pieces.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const Piece& piece) { return sum + piece.bytes; });
  const auto require_few_waves = [&](std::uint64_t waves) {
    if (waves > most_waves)
      throw Error(ErrorCode::out_of_memory,
                  fmt::format("a save takes {} bytes of this rank; {} leaves {} for it, too little even "
                              "for waves",
                              all_bytes, window.limit, window.bytes));
  };
  require_few_waves(all_bytes / std::max<std::uint64_t>(window.bytes, 1));
  const auto is_tensor = [&](const Piece& piece) { return items[piece.item].kind == DatasetKind::tensor; };
  std::stable_partition(plan.pieces.begin(), plan.pieces.end(), [&](const Piece& piece) { return !is_tensor(piece); });
  const std::uint64_t slab_bytes = std::max<std::uint64_t>(window.bytes / slabs_per_wave, 1);
  Waves waves(window);
  for (Piece& piece : plan.pieces) {
    const std::string& name = items[piece.item].name;
    if (is_tensor(piece) && piece.bytes > slab_bytes)
      add_in_slabs(waves, piece, name, slab_bytes);
    else
      waves.add(std::move(piece), name);
    if (!is_tensor(piece) && waves.wave() > 0)
      throw Error(
          ErrorCode::out_of_memory,
          fmt::format("values take more than the {} bytes that {} leaves for this rank", window.bytes, window.limit),
          {.tensor = name});
  }
  require_few_waves(waves.wave() + 1);
  plan.pieces = waves.take();
  plan.arena_bytes = waves.largest();
  return waves.wave() + 1;
}

}  // namespace holdfast::plan
