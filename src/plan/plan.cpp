#include "plan/plan.hpp"

#include <span>

#include "base/checksum.hpp"

namespace holdfast::plan {

std::string_view in_words(DatasetKind kind) noexcept {
  switch (kind) {
    case DatasetKind::tensor:
      return "a tensor";
    case DatasetKind::value:
      return "a value";
    case DatasetKind::string:
      return "a string";
    case DatasetKind::per_rank:
      return "a per-rank value";
    case DatasetKind::per_rank_string:
      return "a per-rank string";
    case DatasetKind::group:
      return "a group that other names lie in";
  }
  return "unknown";
}

std::uint64_t key_of(std::string_view name) noexcept {
  return checksum(std::as_bytes(std::span(name)));
}

}  // namespace holdfast::plan
