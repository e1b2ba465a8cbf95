#include <fmt/format.h>

#include <holdfast/catalog.hpp>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "commands.hpp"
#include "inspect/inspect.hpp"
#include "locate.hpp"
#include "output.hpp"

namespace holdfast::cli {
namespace {

using inspect::VerifyReport;

struct Options {
  std::string checkpoint;
  bool json = false;
};

/// The named file, or all checkpoints of a directory. verify() reports a missing file.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& argument) {
  if (!std::filesystem::is_directory(argument)) return {file_named(argument)};
  std::vector<std::filesystem::path> files;
  for (const auto& info : list_checkpoints(argument)) files.push_back(info.path);
  return files;
}

VerifyReport verify_with_bar(const std::filesystem::path& file) {
  ProgressBar bar(file.filename().string());
  return inspect::verify(file, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); });
}

void print(const VerifyReport& report, double seconds) {
  if (report.problems.empty()) {
    fmt::print("{}  {}  {} in {} chunks, {:.1f} s\n", toned(Tone::good, "valid"), report.path.string(),
               human_bytes(report.bytes), report.chunks, seconds);
    return;
  }
  fmt::print("{}    {}\n", toned(Tone::bad, "bad"), report.path.string());
  for (const std::string& problem : report.problems) fmt::print("         {}\n", problem);
}

nlohmann::json to_json(const VerifyReport& report, double seconds) {
  return {{"path", report.path.string()}, {"valid", report.problems.empty()},
          {"bytes", report.bytes},        {"chunks", report.chunks},
          {"seconds", seconds},           {"problems", report.problems}};
}

int verify(const Options& options) {
  const auto files = files_of(options.checkpoint);
  bool valid = !files.empty();
  nlohmann::json all = nlohmann::json::array();
  for (const auto& file : files) {
    const Stopwatch watch;
    const VerifyReport report = verify_with_bar(file);
    valid = valid && report.problems.empty();
    if (options.json)
      all.push_back(to_json(report, watch.seconds()));
    else
      print(report, watch.seconds());
  }
  if (options.json)
    print_json({{"valid", valid}, {"files", std::move(all)}});
  else if (files.empty())
    fmt::print("{}    no checkpoints in {}\n", toned(Tone::bad, "bad"), options.checkpoint);
  return valid ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("verify", "Read a checkpoint, or all of a directory, and check every checksum");
  command
      ->add_option("FILE|DIR", options->checkpoint,
                   "A checkpoint file, DIR/STEP, or a directory for all of its checkpoints")
      ->required();
  command->add_flag("--json", options->json, "Write JSON");
  command->footer(
      "Exit status: 0 if everything is as it was saved, 1 if anything is damaged, missing or not a checkpoint.");
  command->callback([options, &status] { status = verify(*options); });
}

}  // namespace holdfast::cli
