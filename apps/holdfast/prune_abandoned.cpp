#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error_text.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"

namespace holdfast::cli {
namespace {

struct Options {
  std::string directory;
  bool json = false;
  bool force = false;
};

void print(const std::vector<CheckpointInfo>& removed, const std::string& directory) {
  if (removed.empty()) return fmt::print("no abandoned checkpoints in {}\n", directory);
  std::uint64_t bytes = 0;
  for (const auto& info : removed) {
    fmt::print("removed {}\n", info.path.string());
    bytes += info.file_bytes;
  }
  fmt::print("{} abandoned {} removed, {}\n", removed.size(), removed.size() == 1 ? "checkpoint" : "checkpoints",
             human_bytes(bytes));
}

/// The head lists what is abandoned, and a file that cannot be read may be the head.
void require_readable(const std::vector<CheckpointInfo>& checkpoints, const std::string& directory) {
  std::string unread;
  for (const auto& info : checkpoints)
    if (!info.valid()) unread += (unread.empty() ? "" : ", ") + info.path.filename().string();
  if (unread.empty()) return;
  throw Error(
      ErrorCode::corrupt,
      fmt::format(
          "nothing is removed while these cannot be read, as one may be the newest, and go on from what another "
          "abandoned: {} (see holdfast ls); move them away, or say --force",
          unread),
      {.path = directory});
}

/// Returns the removed checkpoints. Throws while a run that saves there has the lock, as its next save may change what
/// is abandoned.
std::vector<CheckpointInfo> remove_abandoned(const Options& options) {
  std::vector<CheckpointInfo> removed;
  // Without abandoned checkpoints, no lock file is made.
  if (std::ranges::none_of(list_checkpoints(options.directory), &CheckpointInfo::is_abandoned)) return removed;
  const auto files = storage::make_posix_filesystem();
  const auto lock = files->lock(std::filesystem::path(options.directory) / storage::format::lock_file,
                                fmt::format("host {}, pid {}: holdfast prune-abandoned", host_name(), getpid()), 0);
  const auto checkpoints = list_checkpoints(options.directory);
  if (!options.force) require_readable(checkpoints, options.directory);
  for (const auto& info : checkpoints) {
    if (!info.is_abandoned || !info.pins.empty()) continue;
    files->remove(info.path);
    removed.push_back(info);
  }
  return removed;
}

int prune_abandoned(const Options& options) {
  if (!std::filesystem::is_directory(options.directory))
    throw Error(ErrorCode::not_found, "there is no such directory", {.path = options.directory});
  const std::vector<CheckpointInfo> removed = remove_abandoned(options);
  if (!options.json) {
    print(removed, options.directory);
    return 0;
  }
  nlohmann::json all = nlohmann::json::array();
  for (const auto& info : removed)
    all.push_back({{"step", info.step}, {"path", info.path.string()}, {"bytes", info.file_bytes}});
  print_json(all);
  return 0;
}

}  // namespace

void add_prune_abandoned(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "prune-abandoned",
      "Remove the checkpoints that a program abandoned by going back to an earlier one (see ls), but for pinned ones");
  command->add_option("DIR", options->directory, "Directory of checkpoints")->required();
  command->add_flag("--json", options->json, "Write JSON");
  command->add_flag("--force", options->force, "Also where a checkpoint cannot be read, which may be the newest");
  command->footer(
      "Refused while a run that saves has the directory, and while a checkpoint there cannot be read. Where the file "
      "system has "
      "no locks (flock), a run is not noticed: see to it yourself that none saves there.");
  command->callback([options, &status] { status = prune_abandoned(*options); });
}

}  // namespace holdfast::cli
