#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <new>

#include "base/error_text.hpp"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 17> code_names = {
    "invalid_argument", "invalid_state", "plan_conflict", "not_found",   "mismatch", "corrupt", "unsupported_version",
    "storage",          "out_of_memory", "launch",        "helper_lost", "timeout",  "busy",    "in_use",
    "communication",    "device",        "internal",
};

/// The known parts of the context: "rank 2 on n1, path /run/ckpt".
std::string place(ErrorCode code, const ErrorContext& context) {
  std::string text;
  const auto append = [&](std::string_view separator, std::string_view word, std::string_view value) {
    if (value.empty()) return;
    if (!text.empty()) text += separator;
    text.append(word).append(value);
  };
  // In a conflict the message names the ranks that disagree; context.rank is the rank that compared them.
  if (context.rank >= 0)
    append("", code == ErrorCode::plan_conflict ? "found by rank " : "rank ", std::to_string(context.rank));
  append(" ", "on ", context.host);
  append(", ", "path ", context.path);
  return text;
}

std::string full_text(ErrorCode code, const std::string& message, const ErrorContext& context) {
  std::string text = fmt::format("{}: ", to_string(code));
  if (!context.tensor.empty()) text += fmt::format("\"{}\": ", context.tensor);
  text += message;
  const std::string context_text = place(code, context);
  return context_text.empty() ? text : fmt::format("{} ({})", text, context_text);
}

/// `known`, with open fields filled from `other`, and an open host with this one.
ErrorContext completed(ErrorContext known, const ErrorContext& other) {
  if (known.rank < 0) known.rank = other.rank;
  if (known.path.empty()) known.path = other.path;
  if (known.tensor.empty()) known.tensor = other.tensor;
  if (known.host.empty()) known.host = other.host.empty() ? host_name() : other.host;
  return known;
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < code_names.size() ? code_names[index] : "unknown";
}

Error::Error(ErrorCode code, std::string message, ErrorContext context)
    : std::runtime_error(full_text(code, message, context)),
      code_(code),
      message_(std::move(message)),
      context_(std::move(context)) {}

const std::string& host_name() {
  static const std::string name = [] {
    std::array<char, 256> text{};
    return gethostname(text.data(), text.size() - 1) == 0 ? std::string(text.data()) : std::string("localhost");
  }();
  return name;
}

std::string errno_text(int number) {
  const char* name = strerrorname_np(number);
  return name == nullptr ? fmt::format("error {}", number) : fmt::format("{} ({})", strerrordesc_np(number), name);
}

ErrorRecord to_record(const Error& error) {
  const ErrorContext& context = error.context();
  return {error.code(), error.message(), context.rank, context.host, context.path, context.tensor};
}

Error to_error(const ErrorRecord& record) {
  return {record.code,
          record.message,
          {.rank = record.rank, .host = record.host, .path = record.path, .tensor = record.tensor}};
}

Error current_error(const ErrorContext& context) {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.message(), completed(error.context(), context)};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::out_of_memory, "no memory left in this process", completed({}, context)};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what(), completed({}, context)};
  } catch (...) {
    return {ErrorCode::internal, "an exception of an unknown type", completed({}, context)};
  }
}

}  // namespace holdfast
