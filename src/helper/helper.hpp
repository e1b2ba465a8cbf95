#pragma once

#include <functional>
#include <string>

#include "wrap/mpi.hpp"

namespace holdfast::helper {

/// One Checkpointer to be served.
struct Service {
  std::string nonce;             ///< of the run
  double timeout_s = 60;         ///< how long the ranks may take to say hello
  double helper_timeout_s = 30;  ///< Options::helper_timeout_s
  bool end_survivors = true;     ///< Options::end_survivors
  /// Where the helper's process belongs to the program: returns when the program has ended. Otherwise the helper waits for its
  /// ranks' processes.
  std::function<void()> await_program_end = {};
};

/// The life of the program holdfast-helper: begins MPI, serves until its ranks are gone, ends MPI. Returns the exit
/// status, which is 0 even where saves failed: the ranks were told, and a launcher would end the whole job for another.
int run(const Service& service);

/// This process is a helper from here on: it ignores the signals that schedulers and terminals send to a whole job, and lets
/// others have the cores first.
void become_helper();

/// Collective over the helpers: listens, and serves until all ranks of this helper have left. Serves in a second thread and
/// writes in this one. What goes wrong is logged; it never throws.
void serve(const Service& service, const mpi::Communicator& helpers) noexcept;

}  // namespace holdfast::helper
