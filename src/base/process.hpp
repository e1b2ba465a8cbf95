#pragma once

#include <string>

#include "base/clock.hpp"

/// Another process by its descriptor (pidfd), which unlike a number never becomes somebody else. -1 is none: such a process is
/// not known to have ended, and cannot be signalled.
namespace holdfast::process {

/// Waits until the process has ended; false when the deadline is over first.
[[nodiscard]] bool has_ended(int process, Deadline deadline) noexcept;
/// The same, and until its parent has taken notice.
[[nodiscard]] bool is_reaped(int process, Deadline deadline) noexcept;
void send_signal(int process, int signal) noexcept;
/// Of a process that has ended: ", killed by signal 9 (SIGKILL)" or ", exit status 3". Empty where the kernel does not tell of
/// processes that are no children (before Linux 6.15).
[[nodiscard]] std::string how_it_ended(int process);

}  // namespace holdfast::process
