#include "settings/settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checksum.hpp"
#include "base/environment.hpp"
#include "base/error_text.hpp"
#include "base/stream_copy.hpp"
#include "settings/fields.hpp"

namespace holdfast::settings {
namespace {

/// Largest numbers of ranks per value, and of values, that an error names.
constexpr std::size_t most_ranks = 4, most_values = 4;

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCode::invalid_argument, sentence, {.host = host_name()});
}

template <class T>
std::string value_in_words(const Field& field, const T& value) {
  if constexpr (std::same_as<T, std::uint32_t>)
    if (field.is_octal) return fmt::format("{:#o}", value);
  return in_words(value);
}

template <class T>
std::vector<Setting> all_settings(const T& options) {
  std::vector<Setting> all;
  for_each_field(options, [&](const Field& field, const auto& value, const auto& /*limit*/) {
    all.push_back({field.name, value_in_words(field, value)});
  });
  return all;
}

template <class T>
void check_all(const char* what, const T& options) {
  if (options.problem) throw Error(*options.problem);
  for_each_field(options, [&](const Field& field, const auto& value, const auto& limit) {
    if (const std::string instead = limit(value); !instead.empty())
      refuse(fmt::format("{}::{} is {}; {}", what, field.name, value_in_words(field, value), instead));
  });
}

template <class T>
Bytes encode_all(const T& options) {
  Bytes bytes;
  bytes.reserve(256);
  Encoder encoder(std::move(bytes));
  for_each_field(options, [&]<class V>(const Field&, const V& value, const auto& /*limit*/) {
    if constexpr (std::same_as<V, Attributes>)
      encoder(to_text(value));
    else
      encoder(value);
  });
  return encoder.take();
}

/// A value and the ranks that have it.
struct Holders {
  std::string value;
  std::vector<int> ranks;
};

std::vector<Holders> holders_of(const std::vector<Bytes>& values) {
  std::vector<Holders> all;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    const auto value = holdfast::decode<std::string>(values[rank]);
    auto found = std::ranges::find(all, value, &Holders::value);
    if (found == all.end()) found = all.insert(all.end(), {value, {}});
    found->ranks.push_back(static_cast<int>(rank));
  }
  return all;
}

std::string holders_in_words(const Holders& holders) {
  const std::size_t told = std::min(most_ranks, holders.ranks.size()), more = holders.ranks.size() - told;
  return fmt::format("{} on rank{} {}{}", holders.value, holders.ranks.size() > 1 ? "s" : "",
                     fmt::join(std::span(holders.ranks).first(told), ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

/// Collective. Finds the first setting that differs by comparison with rank 0, then gathers its values of all ranks.
[[noreturn]] void explain(const mpi::Communicator& comm, const char* what, const std::vector<Setting>& mine) {
  std::vector<Setting> of_rank_0 = mine;
  mpi::broadcast_value(comm, of_rank_0, 0);
  const auto first = std::ranges::mismatch(mine, of_rank_0, {}, &Setting::value, &Setting::value).in1;
  std::uint64_t place[] = {static_cast<std::uint64_t>(first - mine.begin())};
  comm.allreduce(std::span<std::uint64_t>(place), MPI_MIN);
  if (place[0] >= mine.size())
    throw Error(ErrorCode::plan_conflict, fmt::format("ranks were given different {}", what));
  const Setting& setting = mine[place[0]];
  std::vector<std::string> told;
  for (const Holders& holders : holders_of(comm.all_gather(holdfast::encode(setting.value))))
    if (told.size() < most_values) told.push_back(holders_in_words(holders));
  throw Error(ErrorCode::plan_conflict,
              fmt::format("ranks were given different {}: {} is {}", what, setting.name, fmt::join(told, ", ")));
}

template <class T>
void require_all_same(const mpi::Communicator& comm, const char* what, const T& options) {
  const std::uint64_t mine = checksum(encode_all(options));
  std::uint64_t least[] = {mine, ~mine};
  comm.allreduce(std::span<std::uint64_t>(least), MPI_MIN);
  if (least[0] != ~least[1]) explain(comm, what, all_settings(options));
}

/// The environment adds to such a setting, and does not replace it.
template <class T>
constexpr bool is_list(const T& /*value*/) {
  return std::same_as<T, Hints>;
}

std::string names_of_copy_ways() {
  std::string names;
  for (const CopyWay way : copy_ways()) names += fmt::format(", {}", name_of(way));
  return names;
}

}  // namespace

Options with_environment(Options options) {
  const std::vector<Setting> defaults = all_settings(Options());
  auto by_default = defaults.begin();
  for_each_field(options, [&](const Field& field, auto& value, const auto& /*limit*/) {
    const bool is_left_open = value_in_words(field, value) == (by_default++)->value || is_list(value);
    const std::string text = field.environment != nullptr ? environment_variable(field.environment) : "";
    if (text.empty() || !is_left_open) return;
    if (const std::string instead = parse(text, value); !instead.empty())
      refuse(fmt::format("{} is \"{}\"; {}", field.environment, text, instead));
  });
  return options;
}

void copy_as_environment_says() {
  const std::string name = environment_variable("HOLDFAST_COPY");
  if (name.empty()) return;
  const std::optional<CopyWay> way = copy_way_of(name);
  if (!way && name != "automatic")
    refuse(fmt::format("HOLDFAST_COPY is \"{}\"; on this processor it can be automatic{}", name, names_of_copy_ways()));
  force_copy(way);
}

void check(const Options& options) {
  check_all("Options", options);
}
void check(const SaveOptions& options) {
  check_all("SaveOptions", options);
}
void check(const LoadOptions& options) {
  check_all("LoadOptions", options);
}

void require_same(const mpi::Communicator& comm, const Options& options) {
  require_all_same(comm, "Options", options);
}
void require_same(const mpi::Communicator& comm, const LoadOptions& options) {
  require_all_same(comm, "LoadOptions", options);
}
void explain_difference(const mpi::Communicator& comm, const SaveOptions& mine) {
  explain(comm, "SaveOptions", all_settings(mine));
}

std::int64_t fingerprint(const SaveOptions& options) {
  return static_cast<std::int64_t>(checksum(encode_all(options)) >> 1);
}

Bytes encode(const Options& options) {
  return encode_all(options);
}

Options decode(std::span<const std::byte> bytes) {
  Options options;
  Decoder decoder(bytes);
  for_each_field(options, [&](const Field&, auto& value, const auto& /*limit*/) { decoder(value); });
  if (!decoder.at_end()) throw Error(ErrorCode::communication, "a helper was sent more settings than it knows");
  return options;
}

std::vector<Setting> settings_of(const Options& options) {
  return all_settings(options);
}

}  // namespace holdfast::settings
