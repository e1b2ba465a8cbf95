#include "plan/plan.hpp"

#include <span>

#include "base/checksum.hpp"

namespace holdfast::plan {

std::string_view in_words(Kind kind) noexcept {
  switch (kind) {
    case Kind::tensor:
      return "a tensor";
    case Kind::value:
      return "a value";
    case Kind::string:
      return "a string";
    case Kind::per_rank:
      return "a per-rank value";
    case Kind::per_rank_string:
      return "a per-rank string";
    case Kind::group:
      return "a group that other names lie in";
  }
  return "unknown";
}

std::uint64_t key_of(std::string_view name) noexcept {
  return checksum(std::as_bytes(std::span(name)));
}

}  // namespace holdfast::plan
