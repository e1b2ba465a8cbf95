#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/box.hpp"

/// The types of planning. A rank's state becomes `Item`s. All ranks' items of one name become one `Dataset` and the
/// `Piece`s that say which rank saves which part of it.
namespace holdfast::plan {

enum class DatasetKind : std::uint8_t {
  tensor,    ///< dataset /state/<name>
  value,     ///< the same bytes on every rank; scalar or 1-d dataset /state/<name>
  string,    ///< the same on every rank; HDF5 string /state/<name>, shape {bytes}
  per_rank,  ///< each rank's own; 1-d concatenation in rank order, /holdfast/per_rank/<name>
  per_rank_string,
  group,  ///< a parent in a name; travels only during planning, to find names that are also datasets
};

[[nodiscard]] constexpr bool is_per_rank_kind(DatasetKind kind) noexcept {
  return kind == DatasetKind::per_rank || kind == DatasetKind::per_rank_string;
}
/// "a tensor", "a per-rank string": the kind in the text of an error.
[[nodiscard]] std::string_view in_words(DatasetKind kind) noexcept;

/// One rank's part in one name.
struct Item {
  std::string name;
  DatasetKind kind{};
  DType dtype{};              ///< of the dataset; the memory's may be another one (TensorView::stored)
  Shape global;               ///< shape of the dataset; empty for per_rank, as build_plan() adds the ranks' extents
  Box box;                    ///< per_rank: offset {0}, extent {count}; no dimensions if it is one number
  std::uint64_t content = 0;  ///< checksum of a value's bytes, to find ranks that disagree; 0 for tensors and per_rank
  std::string name_in_program = {};  ///< its name in the StateDict, where that is another one; does not travel

  /// The name by which the program knows it.
  [[nodiscard]] const std::string& shown() const noexcept { return name_in_program.empty() ? name : name_in_program; }
  static void fields(auto& codec, auto& self) {
    codec(self.name, self.kind, self.dtype, self.global, self.box, self.content);
  }
};

/// A dataset of the file.
struct Dataset {
  std::string name;
  DatasetKind kind{};
  DType dtype{};
  Shape global;

  bool operator==(const Dataset&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.name, self.kind, self.dtype, self.global); }
};

/// The key of a dataset in the messages of ranks and helpers: XXH3(name). Two names with the same key are a
/// plan_conflict.
[[nodiscard]] std::uint64_t key_of(std::string_view name) noexcept;

/// A part of a dataset that one rank saves. `item` is the position in that rank's own list of items.
struct Piece {
  std::uint64_t dataset = 0;  ///< key_of(name)
  std::uint32_t item = 0;
  Box box;                         ///< in the dataset's coordinates
  std::uint64_t arena_offset = 0;  ///< bytes from the start of the rank's arena; packed row-major from there
  std::uint64_t bytes = 0;
  std::uint32_t wave = 0;  ///< number of the wave that it is staged in (waves.hpp)

  static void fields(auto& codec, auto& self) {
    codec(self.dataset, self.item, self.box, self.arena_offset, self.bytes, self.wave);
  }
};

/// One rank's part of the global plan. No rank knows all of it.
struct RankPlan {
  std::uint64_t id = 0;            ///< the same on all ranks; a new one for each new plan
  std::vector<Dataset> owned;      ///< definitions that this rank hands to its helper; one rank has each
  std::vector<Piece> pieces;       ///< what this rank stages
  std::uint64_t arena_bytes = 0;   ///< bytes of one save of this rank, or of its largest wave
  std::uint32_t waves = 1;         ///< waves of a save, the same number on all ranks; some may be empty here
  std::uint64_t staged_bytes = 0;  ///< bytes of all pieces, without the gaps between them
};

}  // namespace holdfast::plan
