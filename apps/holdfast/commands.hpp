#pragma once

#include <CLI/CLI.hpp>

/// The commands, one per file. Each add_… registers its subcommand; when the command line names it, parsing runs it and
/// leaves the exit status: 0 yes, 1 no (verify: bad, diff: different). What cannot be done is thrown and becomes 2.
namespace holdfast::cli {

void add_ls(CLI::App& app, int& status);
void add_show(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_diff(CLI::App& app, int& status);
void add_prune_abandoned(CLI::App& app, int& status);

}  // namespace holdfast::cli
