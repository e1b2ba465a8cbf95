#include <fmt/format.h>
#include <fmt/ranges.h>

#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "output.hpp"

namespace holdfast::cli {
namespace {

struct Options {
  std::string directory;
  bool json = false;
};

nlohmann::json to_json(const CheckpointInfo& info) {
  return {{"step", info.step},        {"path", info.path.string()},     {"bytes", info.file_bytes},
          {"ranks", info.world_size}, {"created", info.created},        {"library_version", info.library_version},
          {"valid", info.valid()},    {"problem", info.problem},        {"sequence", info.sequence},
          {"parent", info.parent},    {"abandoned", info.is_abandoned}, {"pins", info.pins}};
}

std::string state_of(const CheckpointInfo& info) {
  if (!info.valid()) return toned(Tone::bad, "bad: " + info.problem);
  std::string state = info.is_abandoned ? "abandoned" : toned(Tone::good, "valid");
  if (!info.pins.empty()) state += fmt::format(", pinned as {}", fmt::join(info.pins, ", "));
  return state;
}

void print(const std::vector<CheckpointInfo>& checkpoints) {
  using Align = Table::Align;
  Table table({{"STEP", Align::right}, {"SIZE", Align::right}, {"RANKS", Align::right}, {"COMMITTED"}, {"STATE"}});
  for (const auto& info : checkpoints) {
    const bool known = info.world_size > 0;  // a file that does not open tells neither ranks nor time
    table.add({std::to_string(info.step), human_bytes(info.file_bytes), known ? std::to_string(info.world_size) : "-",
               known ? info.created : "-", state_of(info)});
  }
  table.print();
}

int ls(const Options& options) {
  if (!std::filesystem::is_directory(options.directory))
    throw Error(ErrorCode::not_found, "there is no such directory", {.path = options.directory});
  const auto checkpoints = list_checkpoints(options.directory);
  if (options.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const auto& info : checkpoints) all.push_back(to_json(info));
    print_json(all);
  } else if (checkpoints.empty()) {
    fmt::print("no checkpoints in {}\n", options.directory);
  } else {
    print(checkpoints);
  }
  return 0;
}

}  // namespace

void add_ls(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("ls", "List the checkpoints of a directory, oldest first (reads headers only)");
  command->add_option("DIR", options->directory, "Directory of checkpoints")->required();
  command->add_flag("--json", options->json, "Write JSON");
  command->callback([options, &status] { status = ls(*options); });
}

}  // namespace holdfast::cli
