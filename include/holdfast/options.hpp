#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/attributes.hpp>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct CUstream_st;  // CUDA's cudaStream_t is a pointer to it

namespace holdfast {

/// How the helpers are started.
enum class Launcher {
  automatic,       ///< reserved_ranks after reserve_helper_ranks(), slurm_step under a direct srun, else spawn
  spawn,           ///< MPI_Comm_spawn_multiple, for programs started by mpirun or alone
  slurm_step,      ///< an overlapping srun step inside the program's Slurm job
  reserved_ranks,  ///< the ranks set apart by reserve_helper_ranks(), for one Checkpointer at a time
  child,           ///< a process that rank 0 starts, where all ranks are on one node: needs no MPI that can spawn
};

/// How staged bytes reach the helper.
enum class Transport {
  automatic,  ///< HOLDFAST_TRANSPORT if set ("mapped" or "put"), else mapped, else put
  mapped,     ///< the rank writes into the helper's memory (ucp_rkey_ptr): one copy
  put,        ///< the rank stages into its own memory and sends it (ucp_put): two copies; works wherever UCX does
};

/// How the helpers write tensors into the file. All engines write the same file, byte for byte.
enum class Engine {
  automatic,  ///< direct on local file systems (ext4, xfs, f2fs) unless MPI-IO settings are given, else mpi_io
  mpi_io,     ///< H5Dwrite, which goes through MPI-IO and the page cache
  direct,     ///< O_DIRECT writes to where HDF5 placed the tensors, by io_uring where the system allows it
};

/// What async_save does when no arena is free, because saves that are being written occupy both arenas, or the only one
/// that memory allows. It does the same when the layout of the state is new.
enum class WhenBusy {
  wait,  ///< wait until one is free, at most Options::save_timeout_s
  skip,  ///< return a future whose skipped() is true
  fail,  ///< throw ErrorCode::busy on all ranks
};

/// Settings of a Checkpointer, the same on every rank. Precedence: default < environment < a field set here.
struct Options {
  // --- What, and where ---

  /// Directory of the checkpoints; created if missing. Every rank and helper must see it under this path. A relative
  /// path is made absolute when the Checkpointer is constructed, and must then be the same on all ranks.
  std::filesystem::path directory = {};
  /// Number of newest checkpoints to keep; 0 keeps all. Keep at least 2, so that a bad newest one has a fallback.
  ///
  /// An older checkpoint is removed only when min(keep_last, 2) newer ones of this Checkpointer are committed, or when
  /// keep_last + 2 newer ones of any run exist; the latter keeps a job that saves once in each run from filling the
  /// disk. The newest checkpoint of this Checkpointer is never removed. Checkpoints that the program abandoned by going
  /// back (LoadOptions::step), and those that cannot be read, stay and do not count.
  ///
  /// Retention does not verify data. After a partial load (not Strict::exact) that fell back over damaged checkpoints,
  /// these count as newer, unless that load had GoOnFrom::loaded.
  int keep_last = 0;
  /// Steps divisible by this are kept besides keep_last, to archive every n-th; 0: none.
  std::int64_t keep_every = 0;
  /// Keep the file that keep_last gives up, hidden, until the next save writes over its space, which is faster than new
  /// space. close() removes it. It takes the space of one more file between saves, and none during a save. A file that
  /// is open anywhere, or has another hard link, is not written over. false: remove the file at once.
  bool recycle_files = true;
  /// Permission bits of files that are made in the directory, as for chmod. In directories that are made, whoever may
  /// read may also enter. 0640 lets the group read, 0644 everybody. Existing files and directories keep their bits. The
  /// umask has no effect.
  std::uint32_t file_mode = 0600;
  /// Only load: no helper is started, the directory is not created, locked or written to, and async_save throws.
  bool read_only = false;

  // --- Memory ---

  /// Limit of the shared memory of all arenas of one node, in bytes. 0: the limit of the node, which is what
  /// /dev/shm and the job's memory limit leave when arenas are made or grow, less a reserve of an eighth, at most 16
  /// MiB. The node with the least room decides for all nodes.
  ///
  /// Arenas take the memory of two saves where it fits, else of one. With less than one, a save goes through the arenas
  /// in waves: async_save returns (or begins to overlap) when all waves but the last are written.
  /// ErrorCode::out_of_memory if the values, or one element of a tensor, are too large even for that, or if the save
  /// would take more than 1,000 waves. An arena that grows gets an eighth more than it needs, where that costs neither
  /// the second arena nor waves.
  std::uint64_t memory_limit_bytes = 0;
  /// Threads that copy on each rank while staging, at most 1,024. 0: the cores that this rank may use, shared among the
  /// ranks of its node, at most 8.
  ///
  /// A rank that is bound to one core copies with one thread, since more would take turns on that core. mpirun binds so
  /// by default for few ranks; OMP_PROC_BIND binds the main thread. Where a node has cores to spare, bind wider (mpirun
  /// --bind-to none, or --map-by slot:PE=4). Rank 0 logs this once.
  int stage_threads = 0;

  // --- Writing ---

  /// How the helpers write tensors. automatic: HOLDFAST_ENGINE ("mpi_io" or "direct") if set. events.jsonl records the
  /// chosen engine.
  Engine engine = Engine::automatic;
  /// MPI-IO component of Open MPI, "ompio" or "romio321". Empty: HOLDFAST_MPI_IO, else MPI's own choice. Choose romio
  /// on Lustre, where ompio ignores striping; elsewhere leave it empty (docs/storage.md).
  std::string mpi_io_component = {};
  /// MPI-IO hints for writing, such as {"striping_factor", "8"}; MPI ignores hints that it does not know. They override
  /// those of HOLDFAST_MPI_IO_HINTS ("key=value;key=value"). events.jsonl records the effect.
  std::vector<std::pair<std::string, std::string>> mpi_io_hints = {};
  /// Tensors of 1 MiB or more start at a multiple of this in the file, in bytes, 1 to 1 GiB. On Lustre, set it to the
  /// stripe size.
  std::uint64_t alignment_bytes = 64 * 1024;
  /// Limit of what each helper writes, in bytes per second, to leave the rest of the disk or network to the program;
  /// 0: none. A limit makes saves longer, so save_timeout_s and close_timeout_s have to allow for it.
  std::uint64_t write_limit_bytes_per_s = 0;
  /// Compare the bytes that several ranks hold alike, at every save, before it is staged. If they differ, async_save
  /// throws ErrorCode::plan_conflict with the ranks and the first such tensor by name. Without the check, each part of
  /// a tensor is saved from one of the ranks. Meant for finding faults: async_save blocks while one thread reads each
  /// replica once more, and GPU memory is copied to the host for it. false: HOLDFAST_CHECK_REPLICAS, "1" or "0".
  bool check_replicas = false;
  /// Program to run after each commit, and its arguments, such as {"/home/me/archive.sh", "--quick"}; no shell reads
  /// them. The checkpoint's path is added as the last argument. Empty: HOLDFAST_AFTER_COMMIT, a program or a JSON array
  /// of strings, else none.
  ///
  /// The first helper runs it: on the node of rank 0, niced, in a session of its own, without the variables of the
  /// program's MPI and Slurm step. For one checkpoint after the other; retention leaves a checkpoint alone until its
  /// turn is over. What it is and how it ends is a line in events.jsonl. A failure is also logged, and fails no save.
  /// close() waits for it, as long as the time that it has allows.
  std::vector<std::string> after_commit = {};
  /// Longest that the program of after_commit may take, in seconds. It is then ended with all that it has started: by
  /// SIGTERM, a second later by SIGKILL.
  double after_commit_timeout_s = 600;

  // --- Helpers and signals ---

  /// How the helpers are started. automatic: HOLDFAST_LAUNCHER if set.
  Launcher launcher = Launcher::automatic;
  /// How staged bytes reach the helper. automatic: HOLDFAST_TRANSPORT if set.
  Transport transport = Transport::automatic;
  /// Path of the helper program. Empty: HOLDFAST_HELPER, then beside the library or program, then ../bin, then PATH.
  std::filesystem::path helper_program = {};
  /// Most ranks of a node that one helper serves; 0: all of them. Set it to have a helper per socket or NIC.
  int ranks_per_helper = 0;
  /// Cores of each node on which its helpers run, such as "0,32-35", to keep helpers off the cores that compute. The
  /// memory of the helpers is then near these cores. Empty: all cores that the job may use on the node, at a lower
  /// priority than the program. The constructor of Checkpointer throws ErrorCode::invalid_argument if a helper may not
  /// use one of the cores.
  std::string helper_cores = {};
  /// What happens when a rank of the communicator dies while MPI lets the others live (mpirun with recovery, srun
  /// without --kill-on-bad-exit). true: the helpers write what was staged, report the death on standard error, and end
  /// the other ranks by SIGTERM, 5 s later by SIGKILL, as these would wait for the dead one for ever. mpirun is told to
  /// end as well, so that its exit status is not 0. false: for a program that goes on without a rank by itself.
  ///
  /// A rank that dies while the Checkpointer is made also ends the others, once the helpers listen. One that dies
  /// before it reaches its helper is missed after launch_timeout_s, and the others are ended 10 s later. A death before
  /// the helpers listen, in MPI_Comm_spawn or MPI_Init, is left to the launcher (srun --wait=20 or
  /// --kill-on-bad-exit=1).
  ///
  /// No effect where the kernel does not report the end of a process (before Linux 5.3).
  bool end_survivors = true;
  /// Signals that ask the program to end, such as {SIGUSR1, SIGTERM}; Checkpointer::requests() reports them. Empty: no
  /// signal handler is installed. Otherwise, until close(), a handler notes the signal and then calls the handler
  /// function that was there before. The default action of the signal is not taken. Interrupted system calls are
  /// restarted.
  std::vector<int> preemption_signals = {};

  // --- Timeouts ---
  // Timeouts are more than 0 seconds. Ten years and more, infinity included, count as ten years. Time in which the
  // whole job is stopped counts for at most a second in any timeout.

  /// Longest wait for the helpers to start and answer, in seconds. It bounds the waits of ranks for helpers, not their
  /// waits for each other in MPI: there, a rank that died or hangs keeps the others until end_survivors ends them.
  double launch_timeout_s = 60;
  /// Longest silence of a helper, in seconds, towards a rank that waits for it or the other helpers. A helper that
  /// shows no sign of life for longer is given up: saves in flight fail with ErrorCode::helper_lost. A helper that dies
  /// is noticed at once on its own node. A slow write or a suspended job does not count.
  double helper_timeout_s = 30;
  /// Longest wait for a save to be staged, for a free arena, and of SaveFuture::wait(), in seconds. A helper that takes
  /// longer over one save, such as one that is stuck in a write, is given up too.
  double save_timeout_s = 1800;
  /// Longest wait of close() for saves in flight, in seconds.
  double close_timeout_s = 600;
  /// A fault that a binding found in what it was given, such as the name of an option that does not exist: the call
  /// throws it on all ranks.
  std::optional<Error> problem = {};
};

/// Settings of one save, the same on every rank except for the stream.
struct SaveOptions {
  /// What async_save does when no arena is free.
  WhenBusy when_busy = WhenBusy::wait;
  /// Whether the save may replace a checkpoint of its step. false: async_save throws `invalid_state` where one is
  /// there, or a save of the step is in flight.
  bool overwrite = true;
  /// What describes this save: it stands in the file, and `holdfast show`, list_checkpoints() and CheckpointReader tell
  /// it. Other values cost no new plan.
  Attributes attributes = {};
  /// Return before the copy is done. The tensors must stay unchanged until SaveFuture::wait_staged() returns.
  /// Meanwhile, a thread of the library copies, or enqueues the copies from GPUs; their place behind the work of
  /// `stream` is fixed before async_save returns.
  bool overlap_staging = false;
  /// A cudaStream_t of this rank. Tensors in GPU and pinned memory are read after the work that the stream has when
  /// async_save is called. Null: the legacy default stream of each device. The program orders the work of its other
  /// streams on the tensors by itself.
  CUstream_st* stream = nullptr;
  /// A fault that a binding found in what it was given, as in Options.
  std::optional<Error> problem = {};
};

/// Checkpoint that the saves after a load go on from. The next save abandons those that were committed after it and are
/// not its predecessors: they stay, but are loaded only by their step (CheckpointInfo::is_abandoned).
enum class GoOnFrom {
  automatic,  ///< as `loaded` if the load is Strict::exact and the Checkpointer saves, else as `newest`
  loaded,     ///< the loaded checkpoint, even if only a part of it was loaded
  newest,     ///< as before the load: the last save, or the checkpoint of an earlier load
};

/// Which names the StateDicts of all ranks and the file must both have.
enum class Strict {
  exact,   ///< all names, both ways
  mine,    ///< every name of the StateDicts is in the file; what else the file has is left alone
  common,  ///< none: what both have is loaded
};

/// Settings of one load, the same on every rank except for the stream.
struct LoadOptions {
  /// The step to load. -1: the newest valid checkpoint that the program has not abandoned by going back. A given step
  /// has no fallback: it is an error if its checkpoint is bad.
  std::int64_t step = -1;
  /// A file to load instead: a checkpoint of this or another directory, under its own name or by a link; one that
  /// h5repack has compressed; tensors in the safetensors format, with or without an index (a folder means the
  /// `model.safetensors` or `model.safetensors.index.json` in it). A relative path begins in Options::directory. No
  /// step is given then, and there is no fallback. Saves go on from a checkpoint of this directory only.
  std::filesystem::path file;
  /// What the saves after this load go on from. A load of an earlier step, such as `load(state, {.step = 80})`, is all
  /// that going back takes. A program that only looks at an earlier step, and goes on with its own state, sets
  /// `newest`.
  GoOnFrom saves_go_on_from = GoOnFrom::automatic;
  /// Which names both sides must have. With `mine` and `common`, LoadReport has the names that only one side has. What
  /// is not loaded keeps its content.
  Strict strict = Strict::exact;
  /// Convert between numeric dtypes, rounding to nearest and saturating integers. false: a different dtype is an error.
  /// The processor converts between f32, f64 and integers: it rounds in the mode of the thread, loses denormals where
  /// they are switched off, and ends the program where it traps inexact, invalid or too large numbers.
  bool convert = false;
  /// Verify the checksums of everything that is read, while it is read into place. If a file is damaged, the one before
  /// is loaded. A load that throws `corrupt` or `storage` may leave parts of damaged checkpoints in tensors and values:
  /// do not go on with them.
  bool verify = true;
  /// Verify everything before the first byte of the program's memory is written. This reads everything twice, or more
  /// often where ranks cut tensors by columns. Meant for a program that goes on with its own state when a load throws.
  bool verify_first = false;
  /// Let HDF5 load the filters that a file was compressed with (ReaderOptions::filter_plugins).
  bool filter_plugins = false;
  /// Throw ErrorCode::mismatch if per-rank values would stay in the file or go to several ranks, because the number of
  /// ranks is not that of the save (LoadReport::per_rank_left_out, per_rank_doubled).
  bool exact_per_rank = false;
  /// A cudaStream_t of this rank. The load waits for the work that the stream has, and only then writes into GPU or
  /// pinned memory. Null: the legacy default stream of each device. When load returns, every stream sees the loaded
  /// data.
  CUstream_st* stream = nullptr;
  /// A fault that a binding found in what it was given, as in Options.
  std::optional<Error> problem = {};
};

/// Requests to the program; the same on every rank.
struct Requests {
  /// Save at once: the file `save-now` was put into the directory. Stays true until an async_save takes a save.
  bool save = false;
  /// Save, wait for the commit, and end: one of Options::preemption_signals reached a rank, or the file `halt` is in
  /// the directory. Stays true.
  bool stop = false;
  /// The file `halt` asks to stop: do not start again automatically. Stays true. The file stays until a person removes
  /// it.
  bool halt = false;
};

/// Result of a load. `missing`, `bytes`, `read_bytes` and `seconds` are this rank's; all else is the same on every
/// rank.
struct LoadReport {
  std::int64_t step = -1;                  ///< step of the loaded checkpoint; -1: the file has none
  std::string path;                        ///< path of the loaded file
  std::int64_t sequence = 0;               ///< number of the save (CheckpointInfo::sequence)
  bool verified = false;                   ///< whether all that was loaded was held against checksums
  int saved_by_ranks = 0;                  ///< number of ranks that saved it; 0: the file does not say
  int per_rank_left_out = 0;               ///< ranks of the save whose per-rank values no rank got: there are fewer now
  int per_rank_doubled = 0;                ///< ranks that got per-rank values of another number: there are more now
  std::uint64_t bytes = 0;                 ///< size in the file of what this rank loaded
  std::uint64_t read_bytes = 0;            ///< tensor and value bytes that this rank read for it, verification included
  double seconds = 0;                      ///< duration of the load
  std::vector<std::string> missing;        ///< names in this rank's StateDict, not in the file (Strict::common)
  std::vector<std::string> unexpected;     ///< names in the file, in no rank's StateDict (Strict::mine and common)
  std::uint64_t missing_count = 0;         ///< number of names in the StateDicts of all ranks, not in the file
  std::vector<std::string> first_missing;  ///< the first 20 of these, by name
  /// Checkpoints of the line, newer or of larger steps, that were passed over, each with the reason.
  std::vector<std::string> skipped;
};

}  // namespace holdfast
