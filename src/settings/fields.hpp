#pragma once

#include <concepts>
#include <type_traits>

#include "settings/attributes.hpp"
#include "settings/limits.hpp"

/// The one list of settings. They are compared between ranks, sent to helpers, read from the environment, checked and
/// documented (docs/environment.md) by these lists. So a new option is added here and in options.hpp.
namespace holdfast::settings {

/// Description of a member of Options, SaveOptions or LoadOptions.
struct Field {
  const char* name;
  const char* help;
  const char* environment = nullptr;  ///< variable that sets the member where it has its default
  bool is_octal = false;
};

template <class T, class Struct>
concept SameStruct = std::same_as<std::remove_const_t<T>, Struct>;

/// Calls visit(field, member, limit) for each member but the problem, in order; `limit` is one of limits.hpp. A member
/// that is missing here is a compile error.
template <class Visit, SameStruct<Options> T>
void for_each_field(T& options, Visit&& visit) {
  auto& [directory, keep_last, keep_every, recycle_files, file_mode, read_only, memory_limit_bytes, stage_threads,
         engine, mpi_io_component, mpi_io_hints, alignment_bytes, write_limit_bytes_per_s, check_replicas, after_commit,
         after_commit_timeout_s, launcher, transport, helper_program, ranks_per_helper, helper_cores, end_survivors,
         preemption_signals, launch_timeout_s, helper_timeout_s, save_timeout_s, close_timeout_s, problem] = options;
  static_cast<void>(problem);
  visit(Field{"directory", "where the checkpoints are"}, directory, some_path);
  visit(Field{"keep_last", "how many of the newest checkpoints stay; 0: all"}, keep_last, not_negative);
  visit(Field{"keep_every", "steps divisible by this stay as well; 0: none"}, keep_every, not_negative);
  visit(Field{"recycle_files", "write over the file that keep_last gives up"}, recycle_files, anything);
  visit(Field{"file_mode", "permission bits of what is made in the directory", nullptr, true}, file_mode,
        settings::file_mode);
  visit(Field{"read_only", "only load"}, read_only, anything);
  visit(Field{"memory_limit_bytes", "most shared memory of a node's arenas; 0: what the node has"}, memory_limit_bytes,
        anything);
  visit(Field{"stage_threads", "threads that copy on each rank; 0: by the cores"}, stage_threads, thread_count);
  visit(Field{"engine", "how tensors are written into the file", "HOLDFAST_ENGINE"}, engine, enumerator);
  visit(Field{"mpi_io_component", "Open MPI's MPI-IO component", "HOLDFAST_MPI_IO"}, mpi_io_component,
        text_without_null);
  visit(Field{"mpi_io_hints", "hints to MPI-IO, key and value", "HOLDFAST_MPI_IO_HINTS"}, mpi_io_hints, hints);
  visit(Field{"alignment_bytes", "where tensors of 1 MiB and more start in the file"}, alignment_bytes, alignment);
  visit(Field{"write_limit_bytes_per_s", "most that each helper writes; 0: no limit"}, write_limit_bytes_per_s,
        anything);
  visit(Field{"check_replicas", "compare what several ranks hold alike at every save", "HOLDFAST_CHECK_REPLICAS"},
        check_replicas, anything);
  visit(Field{"after_commit", "program to run after each commit, and its arguments", "HOLDFAST_AFTER_COMMIT"},
        after_commit, command_line);
  visit(Field{"after_commit_timeout_s", "longest that this program may take"}, after_commit_timeout_s, timeout);
  visit(Field{"launcher", "how the helpers are started", "HOLDFAST_LAUNCHER"}, launcher, enumerator);
  visit(Field{"transport", "how staged bytes reach the helper", "HOLDFAST_TRANSPORT"}, transport, enumerator);
  visit(Field{"helper_program",
              "the program holdfast-helper; empty: HOLDFAST_HELPER of rank 0, then beside the library, then PATH"},
        helper_program, path_or_none);
  visit(Field{"ranks_per_helper", "most ranks of a node that one helper serves; 0: all"}, ranks_per_helper,
        not_negative);
  visit(Field{"helper_cores", "cores on which helpers run, such as 0,32-35; empty: all"}, helper_cores, list_of_cores);
  visit(Field{"end_survivors", "end the other ranks when one has died"}, end_survivors, anything);
  visit(Field{"preemption_signals", "signals that ask the program to end"}, preemption_signals, anything);
  visit(Field{"launch_timeout_s", "longest wait for helpers to start and answer"}, launch_timeout_s, timeout);
  visit(Field{"helper_timeout_s", "a helper that is silent for so long is lost"}, helper_timeout_s, timeout);
  visit(Field{"save_timeout_s", "longest wait for a save"}, save_timeout_s, timeout);
  visit(Field{"close_timeout_s", "longest that close() waits for saves in flight"}, close_timeout_s, timeout);
}

/// Leaves out the stream and the problem, which are each rank's own.
template <class Visit, SameStruct<SaveOptions> T>
void for_each_field(T& options, Visit&& visit) {
  auto& [when_busy, overwrite, attributes, overlap_staging, stream, problem] = options;
  static_cast<void>(stream);
  static_cast<void>(problem);
  visit(Field{"when_busy", "what async_save does when no arena is free"}, when_busy, enumerator);
  visit(Field{"overwrite", "replace a checkpoint of the same step"}, overwrite, anything);
  visit(Field{"attributes", "text and numbers that describe the save"}, attributes, attribute_limit);
  visit(Field{"overlap_staging", "return before the copy is done"}, overlap_staging, anything);
}

/// Leaves out the stream and the problem, which are each rank's own.
template <class Visit, SameStruct<LoadOptions> T>
void for_each_field(T& options, Visit&& visit) {
  auto& [step, file, saves_go_on_from, strict, convert, verify, verify_first, filter_plugins, exact_per_rank, stream,
         problem] = options;
  static_cast<void>(stream);
  static_cast<void>(problem);
  visit(Field{"step", "the step to load; -1: the newest"}, step, step_or_newest);
  visit(Field{"file", "a file to load instead; a relative path begins in the directory"}, file, path_or_none);
  visit(Field{"saves_go_on_from", "what the saves after the load go on from"}, saves_go_on_from, enumerator);
  visit(Field{"strict", "which names the program and the file must both have"}, strict, enumerator);
  visit(Field{"convert", "convert between numeric dtypes"}, convert, anything);
  visit(Field{"verify", "check the checksums of what is read"}, verify, anything);
  visit(Field{"verify_first", "check all before the first byte is written"}, verify_first, anything);
  visit(Field{"filter_plugins", "let HDF5 load filters, which is code"}, filter_plugins, anything);
  visit(Field{"exact_per_rank", "refuse a world of another size for per-rank values"}, exact_per_rank, anything);
}

}  // namespace holdfast::settings
