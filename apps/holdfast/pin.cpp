#include <fmt/format.h>

#include <filesystem>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>

#include "commands.hpp"
#include "locate.hpp"
#include "storage/directory/catalog.hpp"

namespace holdfast::cli {
namespace {

struct Options {
  std::string checkpoint, directory, name;
};

int pin_checkpoint(const Options& options) {
  std::error_code ignored;
  const std::filesystem::path file = std::filesystem::canonical(locate(options.checkpoint), ignored);
  const auto step = storage::parse_file_name(file.filename().string());
  if (!step) throw Error(ErrorCode::invalid_argument, "this is no checkpoint of a directory", {.path = file.string()});
  pin(file.parent_path(), *step, options.name);
  fmt::print("{} is pinned as {}\n", file.string(), options.name);
  return 0;
}

int unpin_checkpoint(const Options& options) {
  unpin(options.directory, options.name);
  fmt::print("nothing is pinned as {} any more\n", options.name);
  return 0;
}

}  // namespace

void add_pin(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("pin", "Keep a checkpoint from being removed, under a name");
  command
      ->add_option("FILE", options->checkpoint, "A checkpoint file, DIR/STEP, or a directory for its newest checkpoint")
      ->required();
  command->add_option("NAME", options->name, "A name such as best, which moves if it is in use")->required();
  command->callback([options, &status] { status = pin_checkpoint(*options); });
}

void add_unpin(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("unpin", "Take a name away again");
  command->add_option("DIR", options->directory, "Directory of checkpoints")->required();
  command->add_option("NAME", options->name, "The name")->required();
  command->callback([options, &status] { status = unpin_checkpoint(*options); });
}

}  // namespace holdfast::cli
