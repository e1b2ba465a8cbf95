#pragma once

#include <CLI/CLI.hpp>

/// The commands, one per file. Each add_… registers a subcommand. Parsing runs the one that the command line names,
/// which sets `status`: 0 yes, 1 no (verify: bad, diff: different). Errors are thrown; main() returns 2 for them.
namespace holdfast::cli {

void add_ls(CLI::App& app, int& status);
void add_show(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_diff(CLI::App& app, int& status);
void add_pin(CLI::App& app, int& status);
void add_unpin(CLI::App& app, int& status);
void add_prune_abandoned(CLI::App& app, int& status);

}  // namespace holdfast::cli
