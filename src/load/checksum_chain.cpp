#include "load/checksum_chain.hpp"

#include <algorithm>

#include "base/checksum.hpp"
#include "tensor/runs.hpp"
#include "wrap/mpi_send_queue.hpp"

namespace holdfast::load {
namespace {

/// Adds the part of `wanted` that lies in the memory of `chunk`.
void add(Checksum& sum, const LoadedRange& chunk, const ByteRange& wanted) {
  const Runs runs = collapse(chunk.memory);
  std::uint64_t at = chunk.range.begin;
  for_each_start(chunk.memory.data, runs, 0, [&](const std::byte* run) {
    const std::uint64_t begin = std::max(at, wanted.begin), end = std::min(at + runs.bytes, wanted.end);
    if (begin < end) sum.update({run + (begin - at), end - begin});
    at += runs.bytes;
  });
}

}  // namespace

/// A link waits only for one with a lower place, and each rank takes its links in the order of places, so the wait has
/// an end. Within a place both sides keep the order of rows, so two ranks need nothing to tell their messages apart.
std::vector<ChunkSum> checksum_chain(const mpi::Communicator& comm, const std::vector<ChainLink>& links,
                                     const LoadedRanges& loaded) {
  std::vector<ChunkSum> sums;
  std::map<std::uint64_t, Checksum> kept;  // by row: unfinished checksums that this rank hands on to itself
  mpi::SendQueue queue(comm, subject::sum);
  for (const ChainLink& link : links) {
    Checksum sum;
    if (link.from == comm.rank())
      sum = std::move(kept.extract(link.row).mapped());
    else if (link.from >= 0)
      sum.resume(mpi::receive(comm, link.from, subject::sum, Checksum::state_bytes));
    add(sum, loaded.at({link.row, link.range.end}), link.range);
    if (link.to == comm.rank())
      kept.emplace(link.row, std::move(sum));
    else if (link.to >= 0)
      queue.send(link.to, sum.state());
    else
      sums.push_back({link.row, sum.value()});
  }
  queue.finish();
  return sums;
}

}  // namespace holdfast::load
