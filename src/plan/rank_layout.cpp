#include "plan/rank_layout.hpp"

#include <algorithm>

namespace holdfast::plan {
namespace {

[[noreturn]] void refuse(const char* sentence, const std::string& name = {}) {
  throw Error(ErrorCode::communication, sentence, {.tensor = name});
}

void check(const plan::Dataset& dataset) {
  if (dataset.name.empty() || dataset.name.find('\0') != std::string::npos)
    refuse("a plan has a dataset without a proper name");
  if (dataset.kind >= plan::DatasetKind::group || static_cast<int>(dataset.dtype) >= dtype_count)
    refuse("a plan has a dataset of no known type", dataset.name);
  if (dataset.global.size() > max_dimensions || !checked_volume(dataset.global, size_of(dataset.dtype)))
    refuse("a plan has a dataset of an impossible shape", dataset.name);
  const bool is_string = dataset.kind == plan::DatasetKind::string;
  if (is_string && dataset.global.size() != 1) refuse("a plan has a string that is no row of bytes", dataset.name);
}

}  // namespace

void check(const RankLayout& layout) {
  for (const plan::Dataset& dataset : layout.owned) check(dataset);
  for (const plan::Piece& piece : layout.pieces)
    if (piece.wave >= layout.waves) refuse("a plan has a piece in a wave that never comes");
  for (const plan::Piece& piece : layout.pieces)
    if (piece.box.dimensions() > max_dimensions || piece.box.offset.size() != piece.box.dimensions() ||
        !checked_volume(piece.box.extent, 1))
      refuse("a plan has a piece of an impossible shape");
}

void check_fits(const RankLayout& layout, std::uint64_t arena_bytes) {
  const auto fits = [&](const plan::Piece& piece) {
    return piece.bytes <= arena_bytes && piece.arena_offset <= arena_bytes - piece.bytes;
  };
  if (!std::ranges::all_of(layout.pieces, fits)) refuse("a plan has a piece outside of the arena that it is staged in");
}

}  // namespace holdfast::plan
