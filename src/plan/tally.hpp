#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "plan/plan.hpp"
#include "tensor/cover.hpp"

/// What has to be known about each name from all ranks together fits in a few numbers, which can be added up on the way to the
/// rank that answers for the name: so no rank sees more of them than it has names. Pure.
namespace holdfast::plan {

/// Of one name, from one rank or from several together.
struct Tally {
  std::uint64_t key = 0;         ///< key_of(name)
  std::uint64_t definition = 0;  ///< checksum of what all must agree on; 0: they do not
  CoverSum cover, wanted;        ///< of the different boxes, and what it has to be
  std::uint64_t count = 0;       ///< elements of a per-rank value, of so many ranks:
  std::uint64_t ranks = 0;

  bool operator==(const Tally&) const = default;
};

/// For an item that no other rank's tally speaks for: a per-rank value, or one that replicas have met in (HeldItem).
[[nodiscard]] Tally tally_of(const Item& item);
/// For a group that names lie in. It needs no dataset of the same name beside it, nothing else.
[[nodiscard]] Tally tally_of_group(std::string_view name) noexcept;

/// The groups that the items lie in: "model" and "model/net1" for "model/net1/weight".
[[nodiscard]] std::vector<std::string_view> groups_of(std::span<const Item> items);

/// What a rank is told of a per-rank value.
struct CountAnswer {
  std::uint64_t before = 0, ranks_before = 0;  ///< elements of the ranks below, and how many of these have the value
  std::uint64_t total = 0;                     ///< elements of all

  bool operator==(const CountAnswer&) const = default;
};

/// The tallies that meet at one rank on their way, and the answers on theirs back.
class TallyStop {
 public:
  /// `arrived[i]` come from ranks below those of `arrived[i + 1]`.
  explicit TallyStop(std::vector<std::vector<Tally>> arrived);

  /// One of each name, for each of `places` those that go on there; `place_of` says it of the rank that answers for the name.
  [[nodiscard]] std::vector<std::vector<Tally>> leave(int ranks, int places, const std::function<int(int rank)>& place_of);
  /// The answers from where they went, each list in the order of what was sent there.
  void take(const std::vector<std::vector<CountAnswer>>& from_places);

  /// Instead of leave() and take(), where their way ends: the least key of those whose ranks disagree, or whose boxes do not
  /// cover the shape exactly.
  [[nodiscard]] std::optional<std::uint64_t> conflict() const;
  void answer();

  /// For those that arrived, in the same order.
  [[nodiscard]] std::vector<std::vector<CountAnswer>> answers() const;

 private:
  std::vector<std::vector<Tally>> arrived_;
  std::vector<std::uint32_t> numbers_;              ///< of those, one after the other: where in `united_` each is
  std::vector<Tally> united_;                       ///< one of each name, in the order in which they came
  std::vector<CountAnswer> answers_;                ///< to them
  std::vector<std::vector<std::uint32_t>> places_;  ///< which of them went where
};

}  // namespace holdfast::plan
