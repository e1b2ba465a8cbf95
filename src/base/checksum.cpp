#include "base/checksum.hpp"

#define XXH_STATIC_LINKING_ONLY  // defines the members of XXH3_state_t
#ifdef HOLDFAST_XXHASH_DISPATCHES
#include <xxh_x86dispatch.h>  // maps the names of xxhash.h to the variants for this processor
#else
#include <xxhash.h>
#endif

#include <cstring>
#include <new>

namespace holdfast {
namespace {

XXH3_state_t* as_state(void* state) {
  return static_cast<XXH3_state_t*>(state);
}

/// The members of XXH3_state_t that change with the input.
struct Progress {
  decltype(XXH3_state_t::acc) acc;
  decltype(XXH3_state_t::buffer) buffer;
  std::uint64_t total, stripes, buffered;
};

}  // namespace

const std::size_t Checksum::state_bytes = sizeof(Progress);

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

Bytes Checksum::state() const {
  const XXH3_state_t& from = *as_state(state_);
  Progress progress{
      .acc = {}, .buffer = {}, .total = from.totalLen, .stripes = from.nbStripesSoFar, .buffered = from.bufferedSize};
  std::memcpy(progress.acc, from.acc, sizeof progress.acc);
  std::memcpy(progress.buffer, from.buffer, sizeof progress.buffer);
  const auto raw = std::as_bytes(std::span(&progress, 1));
  return {raw.begin(), raw.end()};
}

void Checksum::resume(std::span<const std::byte> state) {
  Progress progress{};
  XXH3_state_t& to = *as_state(state_);
  if (state.size() == sizeof progress) std::memcpy(&progress, state.data(), sizeof progress);
  if (state.size() != sizeof progress || progress.buffered > sizeof progress.buffer ||
      progress.stripes > to.nbStripesPerBlock)
    throw Error(ErrorCode::communication, "a checksum cannot go on from what another rank sent");
  std::memcpy(to.acc, progress.acc, sizeof progress.acc);
  std::memcpy(to.buffer, progress.buffer, sizeof progress.buffer);
  to.totalLen = progress.total;
  to.nbStripesSoFar = progress.stripes;
  to.bufferedSize = static_cast<XXH32_hash_t>(progress.buffered);
}

std::uint64_t Checksum::value() const noexcept {
  return XXH3_64bits_digest(as_state(state_));
}

}  // namespace holdfast
