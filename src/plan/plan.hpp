#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/box.hpp"

/// The words of planning. A rank's state becomes `Item`s; all ranks' items of one name become one `Dataset` and the
/// `Piece`s that say which rank saves which part of it.
namespace holdfast::plan {

enum class Kind : std::uint8_t {
  tensor,    ///< dataset /state/<name>
  value,     ///< the same bytes on every rank; scalar or 1-d dataset /state/<name>
  string,    ///< the same on every rank; HDF5 string /state/<name>, shape {bytes}
  per_rank,  ///< each rank's own; 1-d concatenation in rank order, /holdfast/per_rank/<name>
  per_rank_string,
  group,  ///< a parent in somebody's name; only travels during planning, to find names that are both
};

[[nodiscard]] constexpr bool is_per_rank_kind(Kind kind) noexcept {
  return kind == Kind::per_rank || kind == Kind::per_rank_string;
}
/// "a tensor", "a per-rank string": for sentences.
[[nodiscard]] std::string_view in_words(Kind kind) noexcept;

/// One rank's part in one name.
struct Item {
  std::string name;
  Kind kind{};
  DType dtype{};
  Shape global;               ///< per_rank: empty, the merge adds the ranks' extents
  Box box;                    ///< per_rank: offset {0}, extent {count}; no dimensions if it is one number
  std::uint64_t content = 0;  ///< checksum of a value's bytes, to find ranks that disagree; 0 for tensors

  static void fields(auto& codec, auto& self) { codec(self.name, self.kind, self.dtype, self.global, self.box, self.content); }
};

/// One dataset of the file to be.
struct Dataset {
  std::string name;
  Kind kind{};
  DType dtype{};
  Shape global;

  bool operator==(const Dataset&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.name, self.kind, self.dtype, self.global); }
};

/// What a dataset is called while ranks and helpers talk about it: XXH3(name). Names that have the same are a plan_conflict.
[[nodiscard]] std::uint64_t key_of(std::string_view name) noexcept;

/// A part of a dataset that one rank saves. `item` is the position in that rank's own list of items.
struct Piece {
  std::uint64_t dataset = 0;  ///< key_of its name
  std::uint32_t item = 0;
  Box box;                         ///< in the dataset's coordinates
  std::uint64_t arena_offset = 0;  ///< bytes from the start of the rank's arena; packed row-major from there
  std::uint64_t bytes = 0;
  std::uint32_t wave = 0;  ///< the turn of the arena that it is staged in (waves.hpp)

  static void fields(auto& codec, auto& self) {
    codec(self.dataset, self.item, self.box, self.arena_offset, self.bytes, self.wave);
  }
};

/// What one rank knows of the global plan: no rank knows all of it.
struct RankPlan {
  std::uint64_t id = 0;            ///< the same on all ranks; a new one for each new plan
  std::vector<Dataset> owned;      ///< definitions that this rank hands to its helper; each is some one rank's
  std::vector<Piece> pieces;       ///< what this rank stages
  std::uint64_t arena_bytes = 0;   ///< what one save of this rank takes; in waves: what the largest one takes
  std::uint32_t waves = 1;         ///< of a save, the same on all ranks; some may be empty here
  std::uint64_t staged_bytes = 0;  ///< of all pieces, without the gaps between them
};

}  // namespace holdfast::plan
