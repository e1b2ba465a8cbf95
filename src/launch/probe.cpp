#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <holdfast/version.hpp>
#include <string>

#include "base/error_text.hpp"
#include "base/unique_handle.hpp"
#include "launch/child.hpp"
#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

/// Reads until the output ends or has `enough`, or the deadline is over. Returns true if the deadline was first.
bool read_output(int fd, std::string& output, const std::string& enough, Deadline deadline) {
  constexpr std::size_t most = 4096;
  while (output.size() < most && output.find(enough) == std::string::npos) {
    pollfd readable{fd, POLLIN, 0};
    if (deadline.over()) return true;
    if (poll(&readable, 1, deadline.poll_ms()) <= 0) continue;
    char buffer[512];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) break;
    if (count > 0) output.append(buffer, static_cast<std::size_t>(count));
  }
  return false;
}

}  // namespace

std::string probe_answer() {
  return fmt::format("holdfast-helper {} protocol {}\n", version(), transport::protocol_version);
}

void probe_helper(const std::filesystem::path& program, Deadline deadline) {
  const auto fail = [&](const std::string& sentence) {
    throw Error(ErrorCode::launch, sentence, {.host = host_name(), .path = program.string()});
  };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("the helper cannot be tried out: pipe: " + errno_text(errno));
  FileDescriptor reading(ends[0]), writing(ends[1]);
  const Child child({program.string(), "--probe"}, environment(),
                    {{writing.get(), STDOUT_FILENO}, {writing.get(), STDERR_FILENO}});
  writing.reset();

  std::string output;
  const bool late = read_output(reading.get(), output, probe_answer(), deadline);
  if (output.find(probe_answer()) != std::string::npos) return;
  while (!output.empty() && output.back() == '\n') output.pop_back();
  if (late) fail("the helper program did not answer in time (Options::launch_timeout_s)");
  fail(fmt::format("the helper program is not the holdfast-helper of this library ({}, protocol {}); {}", version(),
                   transport::protocol_version, output.empty() ? "it ended without a word" : "it said: " + output));
}

}  // namespace holdfast::launch
