#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <holdfast/export.hpp>

namespace holdfast {

/// What kind of thing went wrong; stable, so that a program can act on it.
enum class ErrorCode {
  invalid_argument,     ///< a bad name, pointer, box or option; nothing was started
  invalid_state,        ///< the call does not fit the object or process: after close(), on a read-only one, in a forked child, beside another HDF5
  plan_conflict,        ///< ranks disagree about a tensor: shape, dtype, hole, overlap; or about the step
  not_found,            ///< no checkpoint, no such step, or a name that a strict load wants is missing
  mismatch,             ///< the file's dtype or global shape is not the one asked for
  corrupt,              ///< truncated, flipped bytes, or not a Holdfast file
  unsupported_version,  ///< written by a newer format version
  storage,              ///< the file system said no: full, read-only, gone, I/O error
  out_of_memory,        ///< memory_limit_bytes, the node's shared memory or the job's memory limit is too small
  launch,               ///< the helper is missing, exited, or did not answer in time
  helper_lost,          ///< a helper died while it was needed
  timeout,              ///< a bounded wait ran out
  busy,                 ///< no arena is free and SaveOptions said fail
  in_use,               ///< another run, or another Checkpointer of this program, holds the directory
  communication,        ///< MPI or UCX failed
  device,               ///< a GPU, or CUDA, failed
  internal,             ///< a defect in Holdfast
};

/// The enumerator's name, such as "plan_conflict".
[[nodiscard]] HOLDFAST_API std::string_view to_string(ErrorCode code) noexcept;

/// Where it happened; what does not apply is empty or -1.
struct Where {
  int rank = -1;       ///< rank in the Checkpointer's communicator
  std::string host = {};    ///< host name of the process that met the error
  std::string path = {};    ///< file or directory
  std::string tensor = {};  ///< name of a tensor or value in the StateDict
};

/// The one exception type of the library. A collective call that fails throws an equal Error on every rank.
class HOLDFAST_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string sentence, Where where = {});

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// What happened, in one sentence, without the place. what() is the sentence and the place.
  [[nodiscard]] const std::string& sentence() const noexcept { return sentence_; }
  [[nodiscard]] const Where& where() const noexcept { return where_; }

 private:
  ErrorCode code_;
  std::string sentence_;
  Where where_;
};

}  // namespace holdfast
