#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.hpp"

/// Another process, by its pidfd: unlike a pid, it never refers to a different process. -1 means no process: it is not
/// known to have ended, and signals to it do nothing.
namespace holdfast::process {

/// Waits until the process has ended; false if the deadline is over first.
[[nodiscard]] bool has_ended(int process, Deadline deadline) noexcept;
/// Waits until the process has ended and its parent has reaped it; false if the deadline is over first.
[[nodiscard]] bool is_reaped(int process, Deadline deadline) noexcept;
void send_signal(int process, int signal) noexcept;
/// How a process ended: ", killed by signal 9 (SIGKILL)" or ", exit status 3". Empty if it runs, or if the kernel does
/// not tell it of processes that are not children (before Linux 6.15).
[[nodiscard]] std::string how_it_ended(int process);

/// True for a regular file that this process may execute.
[[nodiscard]] bool is_executable(const std::filesystem::path& path) noexcept;
/// The folders of PATH.
[[nodiscard]] std::vector<std::filesystem::path> search_path();
/// The file that execvp(3) would run for this name; empty if there is none.
[[nodiscard]] std::filesystem::path find_program(const std::string& name);

}  // namespace holdfast::process
