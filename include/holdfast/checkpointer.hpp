#pragma once

#include <mpi.h>

#include <cstdint>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/future.hpp>
#include <holdfast/options.hpp>
#include <holdfast/planner.hpp>
#include <holdfast/state_dict.hpp>
#include <holdfast/tensor.hpp>
#include <holdfast/version.hpp>
#include <memory>
#include <optional>

namespace holdfast {

/// Takes checkpoints of an MPI program without stopping it, and loads them on any number of ranks.
///
/// All ranks of the communicator make each collective call, in the same order, with the same step and options. A
/// collective call that fails throws an equal Error on all ranks. MPI_THREAD_SINGLE is enough: the library calls MPI
/// only inside these calls, in the caller's thread, on a duplicate of the communicator. Several Checkpointers may live
/// at once, each with a directory and helpers of its own. Not thread-safe.
///
/// The program may fork. The child does not affect a Checkpointer of its parent, however the child ends. Calls on it in
/// the child throw invalid_state.
///
/// | call              | collective | blocks until                                   | the tensors                    |
/// | ----------------- | ---------- | ---------------------------------------------- | ------------------------------ |
/// | constructor       | yes        | the helpers answer (Options::launch_timeout_s) | -                              |
/// | warm_up           | yes        | the plan is made, the arenas are faulted in    | are not read                   |
/// | async_save        | yes        | staged                                         | may change                     |
/// | - overlap_staging | yes        | values are copied                              | may change after wait_staged() |
/// | load              | yes        | all is loaded                                  | are written                    |
/// | latest            | yes        | rank 0 has read the directory                  | -                              |
/// | requests          | yes        | every rank asks                                | -                              |
/// | preempted         | yes        | every rank asks                                | -                              |
/// | close             | yes        | saves in flight end (Options::close_timeout_s) | -                              |
/// | ~Checkpointer     | no         | never                                          | -                              |
///
/// A load is all or none only with LoadOptions::verify_first. A save is dropped if a rank dies before it is staged.
/// Only complete checkpoints are visible in the file system.
class HOLDFAST_API Checkpointer {
 public:
  /// Collective. Duplicates the communicator. Unless options.read_only: starts the helpers (by default one per node),
  /// takes the lock of the directory and removes what unfinished saves left. Throws in_use at once if a Checkpointer of
  /// this program saves into the directory and was neither closed nor destroyed on all ranks.
  Checkpointer(MPI_Comm comm, Options options);
  /// Local. Calls on the moved-from object throw invalid_state.
  Checkpointer(Checkpointer&&) noexcept;
  /// Local. Ends the former Checkpointer of this object as the destructor does.
  Checkpointer& operator=(Checkpointer&&) noexcept;
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  /// Local; neither communicates nor throws. Call close() first; a destructor alone is for exceptions, since it leaves
  /// directory, helpers and arenas as they are. The next constructor on all of its ranks, or MPI_Finalize, ends a
  /// Checkpointer that was not closed, within its close_timeout_s: staged saves are committed, and failures that nobody
  /// waited for are logged.
  ~Checkpointer();

  /// Collective. Makes the plan and the arenas for `state` ahead, so that the first save is as fast as any other. The
  /// planner is the one that the save will have.
  void warm_up(const StateDict& state, const SavePlanner& planner = {});

  /// Collective. Saves `state` as `step` (>= 0), and replaces a checkpoint of that step. Throws planning errors.
  /// Staging and write errors are thrown by the future, on all ranks. Costs one allreduce and one memory copy if the
  /// layout of the state has not changed. `planner` has what the program decides by code of its own.
  SaveFuture async_save(std::int64_t step, const StateDict& state, SaveOptions options = {},
                        const SavePlanner& planner = {});

  /// Collective. Loads the newest valid checkpoint, or options.step, into the memory that `state` describes. Each rank
  /// reads what it needs. Does not wait for saves in flight. Later saves go on from the loaded checkpoint: the next
  /// save abandons the checkpoints that were saved after it (LoadOptions::saves_go_on_from).
  ///
  /// A per-rank value goes back to the rank of the same number. On more ranks than saved, rank r gets the value of rank
  /// r modulo the number of ranks that saved. On fewer ranks, the other values stay in the file.
  /// `planner` has what the program decides by code of its own, such as other names.
  LoadReport load(StateDict& state, LoadOptions options = {}, const LoadPlanner& planner = {});

  /// Collective. Returns the step that was saved last, among checkpoints that can be opened and are not abandoned;
  /// nothing if there is none.
  [[nodiscard]] std::optional<std::int64_t> latest();

  /// Collective. Returns what the program is asked for, by a signal (Options::preemption_signals) or by a file in the
  /// directory (`save-now`, `halt`). Call it after every step. Costs one allreduce of one number. Rank 0 looks for the
  /// two files, at most once per second, and removes `save-now` when it takes it up. With read_only, `save-now` is left
  /// to the run that saves there.
  [[nodiscard]] Requests requests();
  /// Collective. Returns requests().stop. A request to save is kept for the next requests().
  [[nodiscard]] bool preempted() { return requests().stop; }

  /// Collective. Waits for saves in flight and ends the helpers. Throws the failure of a save that nobody waited for,
  /// or timeout. Afterwards only close() may be called; a second call does nothing.
  void close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// Collective over `comm`. The box of a rank that has `count` elements of a one-dimensional tensor behind those of the
/// ranks below it: particles, cells of an unstructured mesh, whatever changes its number. Throws invalid_argument for
/// MPI_COMM_NULL.
[[nodiscard]] HOLDFAST_API Shard shard_1d(MPI_Comm comm, std::uint64_t count);
/// The same with the memory of the elements.
template <Number T>
[[nodiscard]] TensorView shard_1d(MPI_Comm comm, T* elements, std::uint64_t count) {
  return shard(static_cast<void*>(elements), dtype_of<T>(), shard_1d(comm, count));
}

/// Collective over `comm`. Turns the last rank of each node into the helper of the node, for sites that allow neither
/// spawned processes nor a second job step. Call it at most once in a program, before the first Checkpointer. Start one
/// rank more on each node than training needs.
///
/// On the other ranks, it returns a communicator of these ranks, in the order of `comm`, once the helper rank of the
/// node has answered. The program uses it in place of `comm`, gives the whole of it to its Checkpointers, one at a
/// time, and may free it.
///
/// On a helper rank, it serves, asleep while there is nothing to do. It returns MPI_COMM_NULL when the ranks of the
/// node have called MPI_Finalize or died; the helper rank then calls MPI_Finalize. It ignores SIGHUP, SIGINT, SIGTERM,
/// SIGUSR1 and SIGUSR2 from the start of serving on.
///
/// Throws the same Error on all ranks: launch if a node has a single rank, invalid_state on a second call.
[[nodiscard]] HOLDFAST_API MPI_Comm reserve_helper_ranks(MPI_Comm comm);

}  // namespace holdfast
