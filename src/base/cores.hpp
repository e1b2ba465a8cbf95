#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// The numbers in a list of cores as Linux writes it, such as "0-3,8", in ascending order; none for an empty text. Throws
/// Error(invalid_argument) for anything else.
[[nodiscard]] std::vector<int> parse_cores(const std::string& list);

/// How many cores the calling thread may run on; all that are there, where that cannot be told.
[[nodiscard]] int allowed_cores();
/// How many cores the node has.
[[nodiscard]] int online_cores();

/// This process, all its threads and those that they will start, run on these cores and on no others. Throws
/// Error(invalid_argument) where the process may not use one of them.
void run_on_cores(const std::vector<int>& cores);

}  // namespace holdfast
