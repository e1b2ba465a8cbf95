#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "plan/plan.hpp"
#include "tensor/cover.hpp"

/// What all ranks together have to know about a name fits in a few numbers. They are added up on the way to the rank
/// that answers for the name, so no rank receives them from all the others. Pure.
namespace holdfast::plan {

/// What one rank, or several together, say about one name.
struct NameSummary {
  std::uint64_t key = 0;         ///< key_of(name)
  std::uint64_t definition = 0;  ///< checksum of what all ranks must agree on; 0 where they disagree
  CoverSum cover, wanted;        ///< sum over the different boxes, and the sum of an exact cover
  std::uint64_t count = 0;       ///< elements of a per-rank value, over all its `ranks`
  std::uint64_t ranks = 0;       ///< ranks that have the per-rank value

  bool operator==(const NameSummary&) const = default;
};

/// `item` is a per-rank value, or the item of a HeldItem: no other rank summarises it.
[[nodiscard]] NameSummary summary_of(const Item& item);
/// For a group that names lie in. Its definition is that of no dataset, so a dataset of the same name is a conflict.
[[nodiscard]] NameSummary summary_of_group(std::string_view name) noexcept;

/// The groups that the items lie in: "model" and "model/net1" for "model/net1/weight". Borrows the items' names.
[[nodiscard]] std::vector<std::string_view> groups_of(std::span<const Item> items);

/// The answer to a summary. It says where the rank's part of a per-rank value begins.
struct CountAnswer {
  std::uint64_t before = 0, ranks_before = 0;  ///< elements of lower ranks, and how many of these ranks have the value
  std::uint64_t total = 0;                     ///< elements of all ranks

  bool operator==(const CountAnswer&) const = default;
};

/// The summaries that reach this rank at one hop, and the answers to them on the way back.
class SummaryHop {
 public:
  /// `arrived[i]` comes from lower ranks than `arrived[i + 1]`.
  explicit SummaryHop(std::vector<std::vector<NameSummary>> arrived);

  /// Groups the summaries, merged by name, by next hop: one list for each of `peers`. `next_hop` gives the list for the
  /// rank that answers for a name.
  [[nodiscard]] std::vector<std::vector<NameSummary>> forward(int ranks, int peers,
                                                              const std::function<int(int rank)>& next_hop);
  /// Takes the peers' answers, each list in the order of the summaries that forward() gave for that peer.
  void receive(const std::vector<std::vector<CountAnswer>>& from_peers);

  /// At the last hop, instead of forward(): the least key of the names on which ranks disagree, or whose boxes do not
  /// cover the shape exactly.
  [[nodiscard]] std::optional<std::uint64_t> conflict() const;
  /// At the last hop, instead of receive(): makes the answers.
  void answer();

  /// The answers to the summaries that arrived, in the same order.
  [[nodiscard]] std::vector<std::vector<CountAnswer>> answers() const;

 private:
  std::vector<std::vector<NameSummary>> arrived_;
  std::vector<std::uint32_t> numbers_;  ///< position in `united_` of each summary of `arrived_`, list after list
  std::vector<NameSummary> united_;     ///< one summary for each name, in the order of arrival
  std::vector<CountAnswer> answers_;    ///< answers to `united_`
  std::vector<std::vector<std::uint32_t>> sent_to_;  ///< for each peer, the positions in `united_` of what went there
};

}  // namespace holdfast::plan
