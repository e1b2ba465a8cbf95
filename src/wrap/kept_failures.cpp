#include "wrap/kept_failures.hpp"

#include <utility>

namespace holdfast::mpi {
namespace {

bool wanted = false;
std::optional<int> kept;

}  // namespace

KeptFailures::KeptFailures() noexcept {
  wanted = true;
  kept.reset();
}

KeptFailures::~KeptFailures() {
  wanted = false;
}

std::optional<int> KeptFailures::take() noexcept {
  return std::exchange(kept, std::nullopt);
}

bool keep_failure(int number) noexcept {
  if (wanted && !kept) kept = number;
  return wanted;
}

}  // namespace holdfast::mpi
