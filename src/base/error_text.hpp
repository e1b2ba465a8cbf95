#pragma once

#include <cerrno>
#include <holdfast/error.hpp>
#include <string>

namespace holdfast {

/// This machine's host name.
[[nodiscard]] const std::string& host_name();

/// "No space left on device (ENOSPC)".
[[nodiscard]] std::string errno_text(int number);

/// An Error as it crosses process borders.
struct ErrorRecord {
  ErrorCode code{};
  std::string sentence;
  int rank = -1;
  std::string host, path, tensor;

  static void fields(auto& codec, auto& self) { codec(self.code, self.sentence, self.rank, self.host, self.path, self.tensor); }
};

[[nodiscard]] ErrorRecord to_record(const Error& error);
[[nodiscard]] Error to_error(const ErrorRecord& record);

/// The exception being handled, as an Error: itself, or ErrorCode::internal (out_of_memory for bad_alloc) with its what().
/// `where` fills what the exception left open.
[[nodiscard]] Error current_error(const Where& where = {});

}  // namespace holdfast
