// The command line: a dispatcher. What the commands do is in src/inspect.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <holdfast/version.hpp>
#include <iostream>
#include <string>
#include <system_error>

#include "commands.hpp"

namespace {

int fail(std::string sentence) {
  std::replace(sentence.begin(), sentence.end(), '\n', ' ');
  fmt::print(stderr, "holdfast: {}\n", sentence);
  return 2;
}

/// Output that could not be written (a full disk) must not look like success.
void flush_output() {
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout)
    throw std::system_error(errno, std::generic_category(), "cannot write the output");
}

std::string usage_problem(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (!app.get_subcommands().empty())
    return fmt::format("{} (see holdfast {} --help)", error.what(), app.get_subcommands().front()->get_name());
  if (argc == 1) return "a command is needed (see holdfast --help)";
  return fmt::format("there is no {} '{}' (see holdfast --help)", argv[1][0] == '-' ? "option" : "command", argv[1]);
}

int run(int argc, char** argv) {
  CLI::App app("Looks into the checkpoints that Holdfast saved.", "holdfast");
  int status = 0;
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("holdfast ") + holdfast::version());
  app.footer("Exit status: 0 yes, 1 no (verify: bad, diff: different), 2 wrong use or an error.");
  holdfast::cli::add_ls(app, status);
  holdfast::cli::add_show(app, status);
  holdfast::cli::add_verify(app, status);
  holdfast::cli::add_diff(app, status);
  holdfast::cli::add_pin(app, status);
  holdfast::cli::add_unpin(app, status);
  holdfast::cli::add_prune_abandoned(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    status = app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return fail(usage_problem(app, error, argc, argv));
  }
  flush_output();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that has seen enough (| head) ends this program quietly, even where a parent had the signal ignored.
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
