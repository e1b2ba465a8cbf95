#include "base/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace holdfast {
namespace {

std::size_t difference(std::size_t a, std::size_t b) {
  return a < b ? b - a : a - b;
}

/// Levenshtein's distance of two texts if it is below `limit`, else `limit`. `row` is memory to work in.
std::size_t distance(std::string_view a, std::string_view b, std::size_t limit, std::vector<std::size_t>& row) {
  if (difference(a.size(), b.size()) >= limit) return limit;
  row.resize(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0], least = row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
      least = std::min(least, row[j + 1]);
    }
    if (least >= limit) return limit;
  }
  return std::min(row.back(), limit);
}

}  // namespace

std::optional<std::string> nearest(std::string_view name, std::span<const std::string_view> candidates) {
  std::optional<std::string_view> best;
  std::size_t limit = name.size() / 2 + 1;
  std::vector<std::size_t> row;
  for (const std::string_view candidate : candidates) {
    const std::size_t found = distance(name, candidate, limit, row);
    if (found >= limit) continue;
    best = candidate;
    limit = found;
  }
  return best ? std::optional<std::string>(*best) : std::nullopt;
}

}  // namespace holdfast
