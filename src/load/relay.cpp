#include "load/relay.hpp"

#include <algorithm>
#include <tuple>

#include "base/checksum.hpp"
#include "tensor/runs.hpp"
#include "wrap/mpi_outbox.hpp"

namespace holdfast::load {
namespace {

/// What a rank tells the one that has to check a chunk.
struct Offer {
  std::uint32_t chunk = 0;
  Stretch stretch;
  static void fields(auto& codec, auto& self) { codec(self.chunk, self.stretch); }
};

/// What a rank has to do for a chunk: take its unfinished checksum from a rank (the first one begins it), add a stretch, and hand
/// it on (the last one, who has to check it and adds nothing, keeps it).
struct Link {
  std::uint32_t chunk = 0;
  std::uint32_t place = 0;  ///< in the chunk's chain
  Stretch stretch;
  std::int32_t from = -1, to = -1;
  static void fields(auto& codec, auto& self) { codec(self.chunk, self.place, self.stretch, self.from, self.to); }
};

template <class T>
using ByRank = std::vector<std::vector<T>>;

template <class T>
ByRank<T> deliver(const mpi::Communicator& comm, const ByRank<T>& out) {
  std::vector<Bytes> bytes(out.size());
  std::ranges::transform(out, bytes.begin(), [](const auto& items) { return items.empty() ? Bytes{} : encode(items); });
  bytes = comm.all_to_all(bytes);
  ByRank<T> in(bytes.size());
  std::ranges::transform(bytes, in.begin(),
                         [](const Bytes& items) { return items.empty() ? std::vector<T>{} : decode<std::vector<T>>(items); });
  return in;
}

template <class T>
const T* find(std::span<const T> items, std::uint32_t chunk) {
  const auto found = std::ranges::lower_bound(items, chunk, {}, &T::chunk);
  return found == items.end() || found->chunk != chunk ? nullptr : &*found;
}

ByRank<Offer> offers_to(int ranks, std::span<const Duty> duties, std::span<const Loaded> loaded) {
  ByRank<Offer> out(static_cast<std::size_t>(ranks));
  for (const Loaded& mine : loaded)
    if (const Duty* duty = find(duties, mine.chunk))
      out[static_cast<std::size_t>(duty->rank)].push_back({mine.chunk, mine.stretch});
  return out;
}

void add_links(ByRank<Link>& out, std::uint32_t chunk, const std::vector<Claim>& claims, int checker) {
  Link link{.chunk = chunk};
  for (std::size_t i = 0; i < claims.size(); ++i) {
    link.stretch = claims[i].stretch;
    link.to = i + 1 < claims.size() ? claims[i + 1].rank : checker;
    out[static_cast<std::size_t>(claims[i].rank)].push_back(link);
    link.from = claims[i].rank;
    ++link.place;
  }
  link.to = -1;
  link.stretch.begin = link.stretch.end;
  out[static_cast<std::size_t>(checker)].push_back(link);
}

/// The chains of the chunks that this rank has to check.
ByRank<Link> links_from(const mpi::Communicator& comm, const ByRank<Offer>& offers, std::span<const Duty> duties) {
  std::vector<std::vector<Claim>> claims(duties.size());
  for (std::size_t rank = 0; rank < offers.size(); ++rank)
    for (const Offer& offer : offers[rank])
      if (const Duty* duty = find(duties, offer.chunk))
        claims[static_cast<std::size_t>(duty - duties.data())].push_back({static_cast<int>(rank), offer.stretch});
  ByRank<Link> out(offers.size());
  for (std::size_t i = 0; i < duties.size(); ++i) {
    if (duties[i].rank != comm.rank()) continue;
    const std::vector<Claim> links = chain(std::move(claims[i]), duties[i].bytes);
    if (!links.empty()) add_links(out, duties[i].chunk, links, comm.rank());
  }
  return out;
}

void add(Checksum& sum, const Loaded& loaded, const Stretch& wanted) {
  const Runs runs = collapse(loaded.memory);
  std::uint64_t at = loaded.stretch.begin;
  for_each_start(loaded.memory.data, runs, 0, [&](const std::byte* run) {
    const std::uint64_t begin = std::max(at, wanted.begin), end = std::min(at + runs.bytes, wanted.end);
    if (begin < end) sum.update({run + (begin - at), end - begin});
    at += runs.bytes;
  });
}

/// A link waits for one with a lower place, and each rank takes its own in the order of places, so the wait has an end. It is also
/// in the order of chunks, on both sides, so that two ranks need nothing to tell their messages apart.
std::vector<Sum> pass_on(const mpi::Communicator& comm, const std::vector<Link>& links, std::span<const Loaded> loaded) {
  std::vector<Sum> sums;
  mpi::Outbox outbox(comm);
  for (const Link& link : links) {
    Checksum sum;
    if (link.from >= 0) sum.resume(mpi::receive(comm, link.from, Checksum::state_bytes));
    if (link.stretch.begin < link.stretch.end) add(sum, *find(loaded, link.chunk), link.stretch);
    if (link.to >= 0)
      outbox.send(link.to, sum.state());
    else
      sums.push_back({link.chunk, sum.value()});
  }
  outbox.finish();
  return sums;
}

}  // namespace

std::vector<Sum> relay(const mpi::Communicator& comm, std::span<const Duty> duties, std::span<const Loaded> loaded) {
  const ByRank<Offer> offers = deliver(comm, offers_to(comm.size(), duties, loaded));
  std::vector<Link> links;
  for (const std::vector<Link>& of_one : deliver(comm, links_from(comm, offers, duties)))
    links.insert(links.end(), of_one.begin(), of_one.end());
  std::ranges::sort(links, {}, [](const Link& link) { return std::tuple(link.place, link.chunk); });
  return pass_on(comm, links, loaded);
}

}  // namespace holdfast::load
