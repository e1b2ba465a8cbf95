#pragma once

#include <mpi.h>

#include <cstdint>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/future.hpp>
#include <holdfast/options.hpp>
#include <holdfast/state_dict.hpp>
#include <holdfast/tensor.hpp>
#include <holdfast/version.hpp>
#include <memory>
#include <optional>

namespace holdfast {

/// Takes checkpoints of an MPI program without stopping it, and loads them on any number of ranks.
///
/// Every member marked collective must be called by all ranks of the communicator in the same order, with the same
/// step and options; if it fails, it throws an equal Error on all of them. MPI_THREAD_SINGLE is enough: the library
/// calls MPI only inside these calls, in the caller's thread, on a duplicate of the communicator. Several Checkpointers
/// may live at once, each with a directory and helpers of its own. Not thread-safe.
///
/// The program may fork. A child leaves everything of this as it is, however it ends; what it calls throws invalid_state.
///
/// | call            | collective | blocks until                                       | the tensors                    |
/// | --------------- | ---------- | -------------------------------------------------- | ------------------------------ |
/// | constructor     | yes        | the helpers answered (Options::launch_timeout_s)   | -                              |
/// | warm_up         | yes        | plan made, arenas there and faulted in             | are not read                   |
/// | async_save      | yes        | staged (overlap_staging: at once)                  | may change, or after wait_staged() |
/// | load            | yes        | loaded                                             | are written, all or none       |
/// | latest          | yes        | rank 0 looked into the directory                   | -                              |
/// | requests        | yes        | every rank asked                                   | -                              |
/// | preempted       | yes        | every rank asked                                   | -                              |
/// | close           | yes        | saves in flight ended (Options::close_timeout_s)   | -                              |
/// | ~Checkpointer   | no         | never                                              | -                              |
///
/// If a rank dies before a save is staged, that save is dropped; the file system shows complete checkpoints only.
class HOLDFAST_API Checkpointer {
 public:
  /// Collective. Starts one helper per node unless options.read_only, takes the directory's lock and sweeps away what
  /// unfinished saves left. The communicator is duplicated. Throws in_use at once where a Checkpointer of this program that
  /// was neither closed nor destroyed on all ranks saves into the directory.
  Checkpointer(MPI_Comm comm, Options options);
  Checkpointer(Checkpointer&&) noexcept;
  Checkpointer& operator=(Checkpointer&&) noexcept;
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  /// Local and silent; for exceptions, as it leaves directory, helpers and arenas where they are. A Checkpointer that was not
  /// closed is ended by the next constructor on all of its ranks, or by MPI_Finalize, within its close_timeout_s: saves that
  /// were staged are committed, failures that nobody waited for are logged.
  ~Checkpointer();

  /// Collective. Makes the plan and the arenas for `state` ahead of the first save, which is then as fast as any.
  void warm_up(const StateDict& state);

  /// Collective. Saves `state` as `step` (>= 0; saving a step again replaces it). Throws what planning met; what staging or
  /// writing meets, the future throws, on all ranks. One allreduce and one memory copy if the state's layout did not change.
  SaveFuture async_save(std::int64_t step, const StateDict& state, SaveOptions options = {});

  /// Collective. Loads into the memory that `state` describes, reading what this rank needs. The newest valid
  /// checkpoint, or options.step. Saves in flight are not waited for. The saves that follow go on from what was loaded: what was
  /// saved after that is abandoned with the next one (LoadOptions::saves_go_on_from).
  ///
  /// A per-rank value goes back to the rank of the same number. On more ranks than saved, rank r gets the value of
  /// rank r modulo the saving number; on fewer, the values of the ranks that are gone are left in the file.
  LoadReport load(StateDict& state, LoadOptions options = {});

  /// Collective. The step that was saved last of those whose files open as checkpoints and were not abandoned, if any.
  [[nodiscard]] std::optional<std::int64_t> latest();

  /// Collective. What somebody asked the program for, by signal (Options::preemption_signals) or by a file in the directory;
  /// ask after every step. One allreduce of one number; rank 0 looks for the two files, at most once per second. It
  /// removes `save-now` when it takes it up. With read_only that file is left to the run that saves there.
  [[nodiscard]] Requests requests();
  /// Collective. requests().stop; a request to save is kept for the next requests().
  [[nodiscard]] bool preempted() { return requests().stop; }

  /// Collective. Waits for saves in flight and lets the helpers go. Throws the failure of a save that nobody waited
  /// for, or timeout. Afterwards only close() may be called; a second call does nothing.
  void close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// Collective over `comm`, at most once in a program and before the first Checkpointer: turns the last rank of each node
/// into the helper of its node, for sites that allow neither spawned processes nor a second job step. Start one rank more
/// on each node than training needs.
///
/// On the other ranks it returns at once the communicator of those, in the order of `comm`; the program uses it in place of
/// `comm`, gives the whole of it to its Checkpointers, one at a time, and may free it. On a helper rank the call serves,
/// asleep while there is nothing to do, and returns MPI_COMM_NULL when the ranks of its node have called MPI_Finalize or
/// died: then that rank has nothing left to do but MPI_Finalize. It ignores SIGHUP, SIGINT, SIGTERM, SIGUSR1 and SIGUSR2
/// from then on. Throws the same Error on all ranks: launch where a node has a single rank, invalid_state the second time.
[[nodiscard]] HOLDFAST_API MPI_Comm reserve_helper_ranks(MPI_Comm comm);

}  // namespace holdfast
