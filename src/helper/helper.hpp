#pragma once

#include <functional>
#include <string>

#include "wrap/mpi.hpp"

namespace holdfast::helper {

/// How to serve one Checkpointer.
struct ServeOptions {
  std::string nonce;             ///< nonce of the run
  double timeout_s = 60;         ///< how long the ranks may take to say hello
  double helper_timeout_s = 30;  ///< Options::helper_timeout_s
  bool end_survivors = true;     ///< Options::end_survivors
  /// Set where the helper's process belongs to the program; returns when the program has ended. If empty, the helper
  /// waits for its ranks' processes instead.
  std::function<void()> await_program_end = {};
};

/// Runs the program holdfast-helper: begins MPI, serves until its ranks are gone, ends MPI. Returns the exit status,
/// which is 0 even if saves failed: the ranks were told, and a launcher would end the whole job for any other status.
int run(const ServeOptions& service);

/// Makes this process a helper: it ignores the signals that schedulers and terminals send to a whole job, and lowers
/// its priority for cores and disk.
void become_helper();

/// Collective over the helpers. Listens, and serves until all ranks of this helper have left. A second thread serves,
/// and this one writes. Logs errors; never throws.
void serve(const ServeOptions& service, const mpi::Communicator& helpers) noexcept;

}  // namespace holdfast::helper
