#include "load/same_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/checksum.hpp"
#include "base/error_text.hpp"

namespace holdfast::load {
namespace {

constexpr std::uint64_t none = 0;

/// What a rank has found, as it tells the others.
struct Found {
  std::string host, path;
  std::uint64_t stamp = none;
  std::string in_words;
  ErrorCode code = ErrorCode::storage;

  static void fields(auto& c, auto& s) { c(s.host, s.path, s.stamp, s.in_words, s.code); }
};

/// Differs for different files; never `none`.
std::uint64_t stamp_of(const CheckpointInfo& info) {
  Encoder encoder;
  encoder(info.step, info.sequence, info.parent, info.file_bytes, info.world_size, info.created, info.library_version);
  return std::max<std::uint64_t>(checksum(encoder.take()), none + 1);
}

Found found(const std::filesystem::path& path, const CheckpointInfo* mine, const std::optional<Error>& error) {
  if (mine != nullptr)
    return {.host = host_name(),
            .path = path.string(),
            .stamp = stamp_of(*mine),
            .in_words = fmt::format("one of step {} (sequence {}) and {} bytes, saved by {} ranks at {}", mine->step,
                                    mine->sequence, mine->file_bytes, mine->world_size, mine->created)};
  return {.host = host_name(),
          .path = path.string(),
          .in_words = error ? error->message() : "none",
          .code = error ? error->code() : ErrorCode::storage};
}

/// Throws an Error that names the lowest rank that has opened a file, and the lowest that has not found the same one.
[[noreturn]] void explain(const std::vector<Found>& all) {
  const auto one = std::ranges::find_if(all, [](const Found& rank) { return rank.stamp != none; });
  const auto other = std::ranges::find_if(all, [&](const Found& rank) { return rank.stamp != one->stamp; });
  throw Error(
      other->code,
      fmt::format("the ranks do not find the same file: rank {} on {} finds: {}, and rank {} on {} finds: {}; is the "
                  "directory on a file system that all nodes share?",
                  one - all.begin(), one->host, one->in_words, other - all.begin(), other->host, other->in_words),
      {.rank = static_cast<int>(other - all.begin()), .host = other->host, .path = other->path});
}

}  // namespace

void require_same_file(const mpi::Communicator& comm, const std::filesystem::path& path, const CheckpointInfo* mine,
                       const std::optional<Error>& error) {
  const std::uint64_t stamp = mine != nullptr ? stamp_of(*mine) : none;
  std::uint64_t least[] = {stamp, ~stamp, error ? 0U : 1U};
  comm.allreduce(std::span<std::uint64_t>(least), MPI_MIN);
  const bool is_same = least[0] == ~least[1], is_good = least[2] != 0;
  if (is_same && is_good) return;
  if (is_same) mpi::agree(comm, error);
  std::vector<Found> all;
  for (const Bytes& bytes : comm.all_gather(encode(found(path, mine, error)))) all.push_back(decode<Found>(bytes));
  explain(all);
}

}  // namespace holdfast::load
