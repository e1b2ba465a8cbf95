#pragma once

#include <cerrno>
#include <holdfast/error.hpp>
#include <string>

namespace holdfast {

/// This machine's host name.
[[nodiscard]] const std::string& host_name();

/// The text and name of an errno, such as "No space left on device (ENOSPC)".
[[nodiscard]] std::string errno_text(int number);

/// An Error as it is sent to another process.
struct ErrorRecord {
  ErrorCode code{};
  std::string message;
  int rank = -1;
  std::string host, path, tensor;

  static void fields(auto& codec, auto& self) {
    codec(self.code, self.message, self.rank, self.host, self.path, self.tensor);
  }
};

[[nodiscard]] ErrorRecord to_record(const Error& error);
[[nodiscard]] Error to_error(const ErrorRecord& record);

/// The exception being handled, as an Error. An exception of another type becomes ErrorCode::internal with its what(),
/// and std::bad_alloc becomes out_of_memory. `context` fills the fields that the exception left open.
[[nodiscard]] Error current_error(const ErrorContext& context = {});

}  // namespace holdfast
