#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::test {

/// How a program ended and what it wrote.
struct Ended {
  int status = -1;  ///< exit status, or 128 + the signal that ended it
  std::string out, err;
  std::uint64_t peak_bytes = 0;  ///< most memory that it had resident
};

/// Runs the command line under test (HOLDFAST_CLI) with these arguments, neither output a terminal. `environment` is
/// added.
Ended holdfast(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

/// The same through a shell: `text` is a shell command in which $HOLDFAST_CLI is the program.
Ended shell(const std::string& text);

}  // namespace holdfast::test
