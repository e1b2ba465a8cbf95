#include "wrap/suppressed_io_errors.hpp"

#include <utility>

namespace holdfast::mpi {
namespace {

bool wanted = false;
std::optional<int> kept;

}  // namespace

SuppressedIoErrors::SuppressedIoErrors() noexcept {
  wanted = true;
  kept.reset();
}

SuppressedIoErrors::~SuppressedIoErrors() {
  wanted = false;
}

std::optional<int> SuppressedIoErrors::take() noexcept {
  return std::exchange(kept, std::nullopt);
}

bool suppress_io_error(int number) noexcept {
  if (wanted && !kept) kept = number;
  return wanted;
}

}  // namespace holdfast::mpi
