#pragma once

#include <string>
#include <vector>

#include "plan/assign.hpp"
#include "plan/conflict.hpp"

/// Short ways to write down what ranks bring into a plan, and the first rounds of one, played in one process.
namespace holdfast::plan::test {

[[nodiscard]] RankItem tensor(int rank, std::string name, Shape global, Box box, DType dtype = DType::f32);
[[nodiscard]] RankItem value(int rank, std::string name, Shape shape, std::uint64_t content,
                             DatasetKind kind = DatasetKind::value);
[[nodiscard]] RankItem per_rank(int rank, std::string name, Shape shape, DatasetKind kind = DatasetKind::per_rank);
[[nodiscard]] RankItem group(int rank, std::string name);

struct Merged {
  std::vector<Dataset> datasets;  ///< by name
  std::vector<Share> shares;      ///< by name and box; of per-rank values each rank's
};

/// What the rounds of build_plan.hpp make of these items before anything is assigned, all of it together. Holders name
/// items by their place among those of their rank, in the order given. Throws what explain_conflict() throws.
[[nodiscard]] Merged merge(const std::vector<RankItem>& items);

}  // namespace holdfast::plan::test
