// Replaces cuda.cpp in builds without a CUDA toolkit. There is no device, so no object of a device can be made.
#include <holdfast/error.hpp>

#include "wrap/cuda.hpp"

namespace holdfast::cuda {
namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorCode::device, "this Holdfast was built without CUDA");
}

}  // namespace

bool present() {
  return false;
}
bool built() noexcept {
  return false;
}
Allocation allocation_of(const void* /*memory*/) {
  return {};
}

Device::Device(int number) : number_(number) {
  refuse();
}
Device::~Device() = default;

Event::Event(std::shared_ptr<const Device> /*device*/, Stream /*stream*/) {
  refuse();
}
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
bool Event::done() const {
  refuse();
}
bool Event::wait(Deadline /*deadline*/) const {
  refuse();
}
void Event::make_wait(Stream /*stream*/) const {
  refuse();
}

CopyStream::CopyStream(std::shared_ptr<const Device> /*device*/) {
  refuse();
}
CopyStream::~CopyStream() = default;
void CopyStream::copy(const Move& /*move*/) {
  refuse();
}
void CopyStream::gather(const std::byte* /*from*/, const Block& /*block*/, std::byte* /*packed*/) {
  refuse();
}
void CopyStream::scatter(const std::byte* /*packed*/, const Block& /*block*/, std::byte* /*to*/) {
  refuse();
}
void CopyStream::copy_all(std::span<const Move> /*moves*/) {
  refuse();
}

Registration::Registration(std::shared_ptr<const Device> /*device*/, std::span<std::byte> memory)
    : memory_(memory.data()) {
  refuse();
}
Registration::~Registration() = default;

PinnedMemory::PinnedMemory(std::shared_ptr<const Device> /*device*/, std::size_t /*bytes*/) {
  refuse();
}
PinnedMemory::~PinnedMemory() = default;

ProfilerRange::ProfilerRange(const char* /*name*/) {}
ProfilerRange::~ProfilerRange() = default;

}  // namespace holdfast::cuda
