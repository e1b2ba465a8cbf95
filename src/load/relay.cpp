#include "load/relay.hpp"

#include <algorithm>

#include "base/checksum.hpp"
#include "tensor/runs.hpp"
#include "wrap/mpi_outbox.hpp"

namespace holdfast::load {
namespace {

/// Adds what `wanted` is of what stands in memory.
void add(Checksum& sum, const Loaded& chunk, const Stretch& wanted) {
  const Runs runs = collapse(chunk.memory);
  std::uint64_t at = chunk.stretch.begin;
  for_each_start(chunk.memory.data, runs, 0, [&](const std::byte* run) {
    const std::uint64_t begin = std::max(at, wanted.begin), end = std::min(at + runs.bytes, wanted.end);
    if (begin < end) sum.update({run + (begin - at), end - begin});
    at += runs.bytes;
  });
}

}  // namespace

/// A link waits for one with a lower place, and each rank takes its own in the order of places, so the wait has an end. It is
/// also in the order of rows, on both sides, so that two ranks need nothing to tell their messages apart.
std::vector<Sum> relay(const mpi::Communicator& comm, const std::vector<Link>& links,
                       const std::map<std::uint64_t, Loaded>& loaded) {
  std::vector<Sum> sums;
  mpi::Outbox outbox(comm, subject::sum);
  for (const Link& link : links) {
    Checksum sum;
    if (link.from >= 0) sum.resume(mpi::receive(comm, link.from, subject::sum, Checksum::state_bytes));
    add(sum, loaded.at(link.row), link.stretch);
    if (link.to >= 0)
      outbox.send(link.to, sum.state());
    else
      sums.push_back({link.row, sum.value()});
  }
  outbox.finish();
  return sums;
}

}  // namespace holdfast::load
