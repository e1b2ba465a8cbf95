#pragma once

#include <holdfast/export.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace holdfast {

/// Kind of a failure. Stable, so that a program can act on it.
enum class ErrorCode {
  invalid_argument,     ///< a bad name, pointer, box or option; nothing was started
  invalid_state,        ///< the object or process cannot do this: closed, read-only, forked, beside another HDF5
  plan_conflict,        ///< ranks disagree about options, the step, a value, or a tensor (shape, dtype, hole, overlap)
  not_found,            ///< no checkpoint, no such step, or the file lacks a name that a strict load wants
  mismatch,             ///< the file has another dtype, global shape, or set of names than a load asks for
  corrupt,              ///< the file is truncated, has changed bytes, or is not a Holdfast file
  unsupported_version,  ///< written in a newer format version, or one too old
  storage,              ///< the file system failed: full, read-only, gone, I/O error
  out_of_memory,        ///< memory_limit_bytes, the node's shared memory or the job's memory limit is too small
  launch,               ///< the helper is missing, exited, or did not answer in time
  helper_lost,          ///< a helper died or fell silent while it was needed
  timeout,              ///< a bounded wait ran out
  busy,                 ///< no arena is free, and SaveOptions::when_busy is fail
  in_use,               ///< another run, or another Checkpointer of this program, holds the directory
  communication,        ///< MPI or UCX failed
  device,               ///< a GPU or CUDA failed
  internal,             ///< a defect in Holdfast
};

/// Returns the enumerator's name, such as "plan_conflict".
[[nodiscard]] HOLDFAST_API std::string_view to_string(ErrorCode code) noexcept;

/// Place of a failure. Members that do not apply are empty or -1.
struct ErrorContext {
  int rank = -1;            ///< rank in the Checkpointer's communicator
  std::string host = {};    ///< host name of the process that met the error
  std::string path = {};    ///< file or directory
  std::string tensor = {};  ///< name of a tensor or value in the StateDict
};

/// The one exception type of the library. A collective call that fails throws an equal Error on every rank.
class HOLDFAST_API Error : public std::runtime_error {
 public:
  /// what() is made of all three.
  Error(ErrorCode code, std::string message, ErrorContext context = {});

  /// Kind of the failure.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// What happened, in one sentence, without the place. what() has code, sentence and place.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  /// Place of the failure.
  [[nodiscard]] const ErrorContext& context() const noexcept { return context_; }

 private:
  ErrorCode code_;
  std::string message_;
  ErrorContext context_;
};

}  // namespace holdfast
