#include "api/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/error_text.hpp"
#include "base/stream_copy.hpp"
#include "launch/launcher.hpp"

namespace holdfast::api {
namespace {

/// Empty if it is not set.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

Launcher parse_launcher(std::string_view name) {
  for (const Launcher launcher : {Launcher::automatic, Launcher::spawn, Launcher::slurm_step, Launcher::reserved_ranks})
    if (launch::name_of(launcher) == name) return launcher;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("HOLDFAST_LAUNCHER is \"{}\"; it can be automatic, spawn, slurm_step or reserved_ranks", name),
              {.host = host_name()});
}

Engine parse_engine(std::string_view name) {
  if (name == "automatic") return Engine::automatic;
  if (name == "mpi_io") return Engine::mpi_io;
  if (name == "direct") return Engine::direct;
  throw Error(ErrorCode::invalid_argument, fmt::format("HOLDFAST_ENGINE is \"{}\"; it can be automatic, mpi_io or direct", name),
              {.host = host_name()});
}

bool parse_switch(const char* name) {
  const std::string value = variable(name);
  if (value.empty() || value == "0") return false;
  if (value == "1") return true;
  throw Error(ErrorCode::invalid_argument, fmt::format("{} is \"{}\"; it can be 1 or 0", name, value), {.host = host_name()});
}

void add_hints(std::vector<std::pair<std::string, std::string>>& hints, const std::string& text) {
  std::istringstream stream(text);
  for (std::string entry; std::getline(stream, entry, ';');) {
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == entry.npos)
      throw Error(ErrorCode::invalid_argument, fmt::format("HOLDFAST_MPI_IO_HINTS has \"{}\" where key=value should be", entry),
                  {.host = host_name()});
    const std::string key = entry.substr(0, equals);
    if (std::ranges::find(hints, key, &std::pair<std::string, std::string>::first) == hints.end())
      hints.emplace_back(key, entry.substr(equals + 1));
  }
}

std::string names_of_copy_ways() {
  std::string names;
  for (const CopyWay way : copy_ways()) names += fmt::format(", {}", name_of(way));
  return names;
}

}  // namespace

Options with_environment(Options options) {
  if (const std::string name = variable("HOLDFAST_LAUNCHER"); options.launcher == Launcher::automatic && !name.empty())
    options.launcher = parse_launcher(name);
  if (const std::string name = variable("HOLDFAST_ENGINE"); options.engine == Engine::automatic && !name.empty())
    options.engine = parse_engine(name);
  options.check_replicas = options.check_replicas || parse_switch("HOLDFAST_CHECK_REPLICAS");
  if (options.mpi_io.empty()) options.mpi_io = variable("HOLDFAST_MPI_IO");
  add_hints(options.mpi_io_hints, variable("HOLDFAST_MPI_IO_HINTS"));
  return options;
}

void copy_as_environment_says() {
  const std::string name = variable("HOLDFAST_COPY");
  if (name.empty()) return;
  const std::optional<CopyWay> way = copy_way_of(name);
  if (!way && name != "automatic")
    throw Error(ErrorCode::invalid_argument,
                fmt::format("HOLDFAST_COPY is \"{}\"; on this processor it can be automatic{}", name, names_of_copy_ways()),
                {.host = host_name()});
  force_copy(way);
}

}  // namespace holdfast::api
