#include "base/checksum.hpp"

#ifdef HOLDFAST_XXHASH_DISPATCHES
#include <xxh_x86dispatch.h>  // has the names of xxhash.h mean the variants for this processor
#else
#include <xxhash.h>
#endif

#include <new>

namespace holdfast {
namespace {

XXH3_state_t* as_state(void* state) {
  return static_cast<XXH3_state_t*>(state);
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Checksum::Checksum() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(as_state(state_));
}

Checksum::Checksum(const Checksum& other) : Checksum() {
  *this = other;
}

Checksum& Checksum::operator=(const Checksum& other) {
  XXH3_copyState(as_state(state_), as_state(other.state_));
  return *this;
}

Checksum::~Checksum() {
  XXH3_freeState(as_state(state_));
}

void Checksum::update(std::span<const std::byte> bytes) noexcept {
  if (!bytes.empty()) XXH3_64bits_update(as_state(state_), bytes.data(), bytes.size());
}

std::uint64_t Checksum::value() const noexcept {
  return XXH3_64bits_digest(as_state(state_));
}

}  // namespace holdfast
