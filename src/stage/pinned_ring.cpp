#include "stage/pinned_ring.hpp"

#include <holdfast/error.hpp>
#include <utility>

#include "base/error_text.hpp"

namespace holdfast::stage {
namespace {

constexpr std::size_t buffers = 4;

}  // namespace

PinnedRing::PinnedRing(const std::shared_ptr<const cuda::Device>& device) {
  for (std::size_t i = 0; i < buffers; ++i) buffers_.push_back(std::make_unique<Buffer>(device));
}

void PinnedRing::Buffer::settle(Deadline deadline) {
  if (!busy) return;
  if (!busy->wait(deadline))
    throw Error(ErrorCode::timeout, "a copy to or from a device did not end in time", {.host = host_name()});
  busy.reset();
  if (const auto rest = std::exchange(then, {})) rest();
}

std::byte* PinnedRing::next(Deadline deadline) {
  turn_ = (turn_ + 1) % buffers_.size();
  buffers_[turn_]->settle(deadline);
  return buffers_[turn_]->memory.span().data();
}

void PinnedRing::submit(cuda::Event event, std::function<void()> then) {
  buffers_[turn_]->busy = std::make_unique<cuda::Event>(std::move(event));
  buffers_[turn_]->then = std::move(then);
}

void PinnedRing::drain(Deadline deadline) {
  for (std::size_t i = 1; i <= buffers_.size(); ++i) buffers_[(turn_ + i) % buffers_.size()]->settle(deadline);
}

}  // namespace holdfast::stage
