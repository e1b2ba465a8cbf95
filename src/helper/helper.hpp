#pragma once

#include <string>

namespace holdfast::helper {

/// The helper's life from its start until its ranks are gone: listens, initialises MPI, serves in a second thread and
/// writes in this one. `index` is its number among the run's helpers. Returns the exit status, which is 0 even where saves
/// failed: the ranks were told, and a launcher would end the whole job for another.
int run(const std::string& nonce, int index);

}  // namespace holdfast::helper
