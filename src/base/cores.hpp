#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Parses a list of cores as Linux writes it, such as "0-3,8"; an empty text is an empty list. Returns the numbers in
/// ascending order. Throws Error(invalid_argument) if `list` is not such a list.
[[nodiscard]] std::vector<int> parse_cores(const std::string& list);

/// How many cores the calling thread may run on; online_cores() if the system does not say.
[[nodiscard]] int allowed_cores();
/// How many cores the node has.
[[nodiscard]] int online_cores();

/// Restricts all threads of this process, and those they start later, to these cores. Does nothing for an empty list.
/// Throws Error(invalid_argument) if the process may not use one of the cores.
void run_on_cores(const std::vector<int>& cores);

}  // namespace holdfast
