#pragma once

#include <string>

namespace holdfast {

/// An environment variable of this process; empty if it is not set. This function reads all variables of Holdfast but
/// HOLDFAST_LOG, which the log needs before anything else. docs/environment.md lists them.
[[nodiscard]] std::string environment_variable(const char* name);

}  // namespace holdfast
