#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

struct CUstream_st;  // what CUDA's cudaStream_t points to

namespace holdfast {

/// How the helpers are started.
enum class Launcher {
  automatic,       ///< reserved_ranks after reserve_helper_ranks(), slurm_step under a direct srun, spawn otherwise
  spawn,           ///< MPI_Comm_spawn_multiple: under mpirun, or a program started alone
  slurm_step,      ///< an overlapping srun step inside the program's Slurm job
  reserved_ranks,  ///< the ranks that reserve_helper_ranks() set apart; one Checkpointer at a time
};

/// How staged bytes reach the helper.
enum class Transport {
  automatic,  ///< HOLDFAST_TRANSPORT if set ("mapped" or "put"), else mapped, else put
  mapped,     ///< the rank writes the helper's memory in place (ucp_rkey_ptr): one copy
  put,        ///< the rank stages into memory of its own and ucp_put sends it: two copies, works wherever UCX does
};

/// How the helpers write tensors into the file. The file is the same, byte for byte.
enum class Engine {
  automatic,  ///< direct on local file systems (ext4, xfs, f2fs) unless settings of MPI-IO are given, mpi_io elsewhere
  mpi_io,     ///< H5Dwrite, which goes through MPI-IO and the page cache
  direct,     ///< around the page cache (O_DIRECT) to where HDF5 laid the tensors, by io_uring where the system allows it
};

/// What async_save does when no arena is free: both hold saves that are being written, or the one does for which there is memory.
/// A new layout of the state changes nothing about that.
enum class WhenBusy {
  wait,  ///< until one is free, at most Options::save_timeout_s
  skip,  ///< return a future that says skipped()
  fail,  ///< throw ErrorCode::busy on all ranks
};

/// Settings of a Checkpointer, the same on every rank. Precedence: default < environment < a field set here.
struct Options {
  /// Where the checkpoints are; created if missing. Every rank and helper must see it under this path. A relative one is made
  /// absolute when the Checkpointer is constructed, and must be the same on all ranks then.
  std::filesystem::path directory = {};

  /// How many of the newest checkpoints stay. 0 keeps all. Keep at least 2, so that a bad newest one has a fallback. An older one
  /// goes only when min(keep_last, 2) newer ones that this Checkpointer has committed are there, or keep_last + 2 newer ones of any
  /// run, so that a job that saves once in each run does not fill the disk. The newest of this Checkpointer never goes. What the
  /// program abandoned by going back (LoadOptions::step) and what cannot be read stays, and does not count. Data are not looked at:
  /// after a partial load (strict = false) that fell back over damaged ones, these count as newer, unless that load said
  /// GoOnFrom::loaded.
  int keep_last = 0;
  /// Steps divisible by this stay besides keep_last. 0: none. For archiving every n-th.
  std::int64_t keep_every = 0;
  /// The file that keep_last gives up stays, hidden, until the next save writes over its space, which is faster than new space;
  /// close() removes it. It takes one file more on the disk between saves, and none more during one. A file that anybody has
  /// open, or knows by a hard link, is left alone. false: it is removed at once.
  bool recycle_files = true;

  /// Most shared memory that the arenas of one node may take together, in bytes. 0: no limit but the node's, which is what /dev/shm
  /// and the job's memory limit leave when arenas are made or grow, less a reserve of an eighth, at most 16 MiB. The node with the
  /// least room decides for all.
  /// Two saves' worth is used where it fits, one otherwise. With less than one, a save goes through the arenas in waves:
  /// async_save returns (or begins to overlap) when all but the last one are written. ErrorCode::out_of_memory if the values, or
  /// one element of a tensor, are too large even for that, or if it would take more than 1,000 waves. An arena that has to grow
  /// gets an eighth more than it needs, where that costs neither the second arena nor waves.
  std::uint64_t memory_limit_bytes = 0;

  /// Threads that copy on each rank while staging. 0: as many as the cores this rank may use, shared among the ranks
  /// of its node, at most 8; at most 1,024. A binding holds all of them: on a rank that is bound to one core, as mpirun does by default for
  /// few ranks and OMP_PROC_BIND does to the main thread, there is one, and more would take turns on that core. Bind wider
  /// (mpirun --bind-to none, or --map-by slot:PE=4) where a node has cores to spare. The log says so once, of rank 0.
  int stage_threads = 0;

  /// automatic: HOLDFAST_ENGINE ("mpi_io" or "direct") if that is set. What was chosen is in events.jsonl.
  Engine engine = Engine::automatic;
  /// Open MPI's MPI-IO component, "ompio" or "romio321". Empty: HOLDFAST_MPI_IO, else MPI's own choice. Choose romio on Lustre,
  /// where ompio ignores striping; elsewhere leave it (docs/storage.md).
  std::string mpi_io = {};
  /// Hints to MPI-IO for writing, such as {"striping_factor", "8"}; MPI ignores those that it does not know. They go over
  /// those of HOLDFAST_MPI_IO_HINTS ("key=value;key=value"). What came of them is in events.jsonl.
  std::vector<std::pair<std::string, std::string>> mpi_io_hints = {};
  /// Tensors of 1 MiB or more start at a multiple of this in the file, in bytes, 1 to 1 GiB. On Lustre, set it to the stripe size.
  std::uint64_t alignment_bytes = 64 * 1024;

  /// Most that each helper writes, in bytes per second, to leave the rest of the disk or network to the program. 0: no limit. A
  /// limit makes saves last longer, which save_timeout_s and close_timeout_s have to allow for.
  std::uint64_t write_limit_bytes_per_s = 0;

  /// Permission bits of the files that are made in the directory, as for chmod; who may read may also enter the directories
  /// that are made. 0640 lets the group read, 0644 everybody. What is there already keeps its own; the umask does not matter.
  std::uint32_t file_mode = 0600;

  /// Only load: no helper is started, the directory is neither created nor locked nor written to, async_save throws.
  bool read_only = false;

  /// Signals that ask the program to end, such as {SIGUSR1, SIGTERM}; Checkpointer::requests() tells of them. Empty: no
  /// signal handler is installed. Otherwise one is until close(), which notes the signal and then calls the handler
  /// function that was there before; the signal's default action is not taken. Interrupted system calls are restarted.
  std::vector<int> preemption_signals = {};

  /// Compare the bytes of what several ranks hold alike at every save, before it is staged; where they differ, async_save throws
  /// ErrorCode::plan_conflict with the ranks and the first such tensor by name. Otherwise one of the ranks is believed for each part
  /// of a tensor. For finding faults: async_save blocks for one more reading of each replica, by one thread, and what is in GPU memory is
  /// copied to the host for it. false: HOLDFAST_CHECK_REPLICAS, "1" or "0".
  bool check_replicas = false;

  Launcher launcher = Launcher::automatic;
  Transport transport = Transport::automatic;
  /// The helper program. Empty: HOLDFAST_HELPER, then beside the library or program, then ../bin, then PATH.
  std::filesystem::path helper = {};
  /// One helper serves at most this many ranks of a node. 0: all of them. Set it for a helper per socket or NIC.
  int ranks_per_helper = 0;
  /// Cores of each node on which its helpers run, such as "0,32-35", to keep them off those that compute; their memory is
  /// then near these. Empty: all that the job may use on the node, at a lower priority than the program. The Checkpointer cannot
  /// be made (ErrorCode::invalid_argument) where a helper may not use one of them.
  std::string helper_cores = {};

  /// What happens when a rank of the communicator dies while MPI lets the others live (mpirun with recovery, srun without
  /// --kill-on-bad-exit): true, the helpers write what was staged, say so on standard error and end the other ranks, by SIGTERM
  /// and 5 s later by SIGKILL, as those would wait for the dead one for ever. mpirun is told to end as well, so that its exit
  /// status is not 0. Set it to false in a program that goes on without a rank by itself. A rank that dies while the Checkpointer
  /// is made ends the others, too, once the helpers listen; one that died before it reached its helper is missed when
  /// launch_timeout_s is over, and the others are ended 10 s later. A death before the helpers listen, in MPI_Comm_spawn or in
  /// MPI_Init is the launcher's business (srun --wait=20 or --kill-on-bad-exit=1). Not where the kernel does not tell that a
  /// process has ended (before Linux 5.3).
  bool end_survivors = true;

  // Timeouts are more than 0 seconds; ten years and all above, infinity too, are ten years. What passes while the job is stopped as
  // a whole counts in none of them for more than a second.

  /// Longest wait for the helpers to start and answer, in seconds. It bounds what ranks wait for helpers, not what they wait for each
  /// other in MPI: there a rank that died or hangs keeps the others, until end_survivors ends them.
  double launch_timeout_s = 60;
  /// A helper that shows no sign of life for so long, in seconds, to a rank that waits for it or to the other helpers, is given
  /// up: saves in flight fail with ErrorCode::helper_lost. One that has died is noticed at once on its own node. Writing
  /// slowly is no silence.
  double helper_timeout_s = 30;
  /// Longest wait for a save to be staged, for a free arena, and of SaveFuture::wait(), in seconds. Helpers that take longer
  /// over one save, being stuck in a write, are given up too.
  double save_timeout_s = 1800;
  /// Longest that close() waits for saves in flight, in seconds.
  double close_timeout_s = 600;
};

/// Settings of one save, the same on every rank but for the stream.
struct SaveOptions {
  WhenBusy when_busy = WhenBusy::wait;
  /// Return before the copy is done; the tensors must stay unchanged until SaveFuture::wait_staged() returns. A thread
  /// of the library copies meanwhile, or enqueues the copies from GPUs, whose place behind `stream` is fixed before async_save
  /// returns.
  bool overlap_staging = false;
  /// A cudaStream_t of this rank: tensors in GPU and pinned memory are read after the work that it has when async_save is
  /// called. Null: each device's legacy default stream. Order what other streams do to the tensors yourself.
  CUstream_st* stream = nullptr;
};

/// What the saves after a load go on from. Saves of the directory that were committed after that one, and are not its own
/// forerunners, are abandoned with the next save: they stay, but are loaded only by their step (CheckpointInfo::is_abandoned).
enum class GoOnFrom {
  automatic,  ///< what is loaded, if the load is strict and the Checkpointer saves; otherwise as before
  loaded,     ///< what is loaded, though it may be only a part of a file
  newest,     ///< what they went on from before the load: the last save, or what was loaded before that
};

/// Settings of one load, the same on every rank but for the stream.
struct LoadOptions {
  /// The step to load; -1 is the newest valid one of those that the program did not abandon by going back. A given step that is
  /// bad is an error, without fallback.
  std::int64_t step = -1;
  /// Going back to an earlier step is one load: `load(state, {.step = 80})`, and saves go on from there. A program that only
  /// looks at an earlier step, and goes on with what it has, says `newest`.
  GoOnFrom saves_go_on_from = GoOnFrom::automatic;
  /// Every name of the StateDict must be in the file and the other way round. false: load what both have and report the
  /// rest in LoadReport. What is not loaded keeps its content.
  bool strict = true;
  /// Convert between numeric dtypes (rounding to nearest, saturating integers); otherwise a different dtype is an error. What is
  /// done between f32, f64 and integers is left to the processor: it rounds in the mode that the thread has, loses denormals where
  /// they are switched off, and ends the program where it traps what is inexact, invalid or too large.
  bool convert = false;
  /// Check the checksums of everything that is read, while it is read into place. A damaged file is then replaced by the one
  /// before. A load that throws `corrupt` or `storage` may leave parts of damaged checkpoints in tensors and values: do not go on
  /// with them.
  bool verify = true;
  /// Check everything before the first byte of the program's memory is written, which reads it twice, or more where ranks cut
  /// tensors by columns: for a program that goes on with what it has when a load throws.
  bool verify_first = false;
  /// Refuse, by ErrorCode::mismatch, what would leave per-rank values in the file or give one to several ranks: a world of
  /// another size than the one that saved them (LoadReport::per_rank_left_out, per_rank_doubled).
  bool exact_per_rank = false;
  /// A cudaStream_t of this rank: nothing in GPU or pinned memory is written before the work that it has is done, which the load
  /// waits for. Null: each device's legacy default stream. When load returns, all is there for every stream.
  CUstream_st* stream = nullptr;
};

/// What somebody asked the program for; the same on every rank.
struct Requests {
  /// A file `save-now` was put into the directory: save at once. Stays true until an async_save has taken a save.
  bool save = false;
  /// Save, wait for the commit, and end: one of Options::preemption_signals reached a rank, or a file `halt` is in the
  /// directory. Stays true.
  bool stop = false;
  /// It was the file `halt`: do not start again by yourself. Stays true, as the file does until a person removes it.
  bool halt = false;
};

/// What a load did; the same on every rank but for the names, which are this rank's.
struct LoadReport {
  std::int64_t step = -1;
  std::string path;
  std::int64_t sequence = 0;     ///< which save it was (CheckpointInfo::sequence)
  int saved_by_ranks = 0;        ///< size of the world that saved it
  int per_rank_left_out = 0;     ///< ranks that saved per-rank values which no rank got: there are fewer now
  int per_rank_doubled = 0;      ///< ranks that got the per-rank values of another rank's number: there are more now
  std::uint64_t bytes = 0;       ///< of what this rank loaded, as it stands in the file
  std::uint64_t read_bytes = 0;  ///< what this rank read of tensors and values for that, verification included
  double seconds = 0;
  std::vector<std::string> missing;     ///< in this rank's StateDict, not in the file (only with strict = false)
  std::vector<std::string> unexpected;  ///< in the file, in no rank's StateDict (only with strict = false)
  std::vector<std::string> skipped;     ///< checkpoints of the line, newer or of larger steps, that were passed over, each with its reason
};

}  // namespace holdfast
