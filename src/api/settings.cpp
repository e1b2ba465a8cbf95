#include "api/settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "launch/launcher.hpp"

namespace holdfast::api {
namespace {

/// So many ranks, and so many values, are told of.
constexpr std::size_t most_ranks = 4, most_values = 4;

std::string in_words(const std::string& text) {
  return '"' + text + '"';
}
std::string in_words(const std::filesystem::path& path) {
  return in_words(path.string());
}
std::string in_words(Launcher launcher) {
  return std::string(launch::name_of(launcher));
}
std::string in_words(Transport transport) {
  return std::array{"automatic", "mapped", "put"}.at(static_cast<std::size_t>(transport));
}
std::string in_words(Engine engine) {
  return std::array{"automatic", "mpi_io", "direct"}.at(static_cast<std::size_t>(engine));
}
std::string in_words(GoOnFrom where) {
  return std::array{"automatic", "loaded", "newest"}.at(static_cast<std::size_t>(where));
}
template <class T>
requires std::integral<T> || std::floating_point<T>
std::string in_words(T value) { return fmt::format("{}", value); }
template <class T>
std::string in_words(const std::vector<T>& values) {
  return fmt::format("{}", values);
}

/// The ranks that have one value.
struct Holders {
  std::string value;
  std::vector<int> ranks;
};

std::vector<Holders> holders_of(const std::vector<Bytes>& values) {
  std::vector<Holders> all;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    const auto value = decode<std::string>(values[rank]);
    auto found = std::ranges::find(all, value, &Holders::value);
    if (found == all.end()) found = all.insert(all.end(), {value, {}});
    found->ranks.push_back(static_cast<int>(rank));
  }
  return all;
}

std::string in_words(const Holders& holders) {
  const std::size_t told = std::min(most_ranks, holders.ranks.size()), more = holders.ranks.size() - told;
  return fmt::format("{} on rank{} {}{}", holders.value, holders.ranks.size() > 1 ? "s" : "",
                     fmt::join(std::span(holders.ranks).first(told), ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

std::vector<Setting> settings_of(const LoadOptions& options) {
  const auto& [step, saves_go_on_from, strict, convert, verify, verify_first, exact_per_rank, stream] = options;
  static_cast<void>(stream);  // each rank's own
  return {{"step", in_words(step)},
          {"saves_go_on_from", in_words(saves_go_on_from)},
          {"strict", in_words(strict)},
          {"convert", in_words(convert)},
          {"verify", in_words(verify)},
          {"verify_first", in_words(verify_first)},
          {"exact_per_rank", in_words(exact_per_rank)}};
}

void require_same(const mpi::Communicator& comm, const char* what, const std::vector<Setting>& mine) {
  const std::uint64_t fingerprint = checksum(encode(mine));
  std::uint64_t least[] = {fingerprint, ~fingerprint};
  comm.allreduce(std::span<std::uint64_t>(least), MPI_MIN);
  if (least[0] != ~least[1]) explain_difference(comm, what, mine);
}

}  // namespace

/// A member that is not named here does not compile.
std::vector<Setting> settings_of(const Options& options) {
  const auto& [directory, keep_last, keep_every, recycle_files, memory_limit_bytes, stage_threads, engine, mpi_io, mpi_io_hints,
               alignment_bytes, write_limit_bytes_per_s, file_mode, read_only, preemption_signals, check_replicas, launcher, transport, helper,
               ranks_per_helper, helper_cores, end_survivors, launch_timeout_s, helper_timeout_s, save_timeout_s, close_timeout_s] =
      options;
  return {{"directory", in_words(directory)},
          {"keep_last", in_words(keep_last)},
          {"keep_every", in_words(keep_every)},
          {"recycle_files", in_words(recycle_files)},
          {"memory_limit_bytes", in_words(memory_limit_bytes)},
          {"stage_threads", in_words(stage_threads)},
          {"engine", in_words(engine)},
          {"mpi_io", in_words(mpi_io)},
          {"mpi_io_hints", in_words(mpi_io_hints)},
          {"alignment_bytes", in_words(alignment_bytes)},
          {"write_limit_bytes_per_s", in_words(write_limit_bytes_per_s)},
          {"file_mode", fmt::format("{:#o}", file_mode)},
          {"read_only", in_words(read_only)},
          {"preemption_signals", in_words(preemption_signals)},
          {"check_replicas", in_words(check_replicas)},
          {"launcher", in_words(launcher)},
          {"transport", in_words(transport)},
          {"helper", in_words(helper)},
          {"ranks_per_helper", in_words(ranks_per_helper)},
          {"helper_cores", in_words(helper_cores)},
          {"end_survivors", in_words(end_survivors)},
          {"launch_timeout_s", in_words(launch_timeout_s)},
          {"helper_timeout_s", in_words(helper_timeout_s)},
          {"save_timeout_s", in_words(save_timeout_s)},
          {"close_timeout_s", in_words(close_timeout_s)}};
}

/// Which one differs is found by comparing with rank 0; then its value is asked of all.
void explain_difference(const mpi::Communicator& comm, const char* what, const std::vector<Setting>& mine) {
  std::vector<Setting> of_rank_0 = mine;
  mpi::broadcast_value(comm, of_rank_0, 0);
  const auto first = std::ranges::mismatch(mine, of_rank_0, {}, &Setting::value, &Setting::value).in1;
  std::uint64_t place[] = {static_cast<std::uint64_t>(first - mine.begin())};
  comm.allreduce(std::span<std::uint64_t>(place), MPI_MIN);
  const Setting& setting = mine.at(place[0]);
  std::vector<std::string> told;
  for (const Holders& holders : holders_of(comm.all_gather(encode(setting.value))))
    if (told.size() < most_values) told.push_back(in_words(holders));
  throw Error(ErrorCode::plan_conflict,
              fmt::format("ranks were given different {}: {} is {}", what, setting.name, fmt::join(told, ", ")));
}

void require_same(const mpi::Communicator& comm, const Options& options) {
  require_same(comm, "Options", settings_of(options));
}

void require_same(const mpi::Communicator& comm, const LoadOptions& options) {
  require_same(comm, "LoadOptions", settings_of(options));
}

}  // namespace holdfast::api
