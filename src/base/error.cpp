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

/// "rank 2 on n1, path /run/ckpt": what is known of the place.
std::string place(ErrorCode code, const Where& where) {
  std::string text;
  const auto append = [&](std::string_view separator, std::string_view word, std::string_view value) {
    if (value.empty()) return;
    if (!text.empty()) text += separator;
    text.append(word).append(value);
  };
  // No single rank is to blame for a conflict: the sentence names those that disagree, this is the one that compared them.
  if (where.rank >= 0) append("", code == ErrorCode::plan_conflict ? "found by rank " : "rank ", std::to_string(where.rank));
  append(" ", "on ", where.host);
  append(", ", "path ", where.path);
  return text;
}

std::string full_text(ErrorCode code, const std::string& sentence, const Where& where) {
  std::string text = fmt::format("{}: ", to_string(code));
  if (!where.tensor.empty()) text += fmt::format("\"{}\": ", where.tensor);
  text += sentence;
  const std::string where_text = place(code, where);
  return where_text.empty() ? text : fmt::format("{} ({})", text, where_text);
}

/// `known`, with what it leaves open taken from `other`, and then this host.
Where completed(Where known, const Where& other) {
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

Error::Error(ErrorCode code, std::string sentence, Where where)
    : std::runtime_error(full_text(code, sentence, where)),
      code_(code),
      sentence_(std::move(sentence)),
      where_(std::move(where)) {}

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
  const Where& where = error.where();
  return {error.code(), error.sentence(), where.rank, where.host, where.path, where.tensor};
}

Error to_error(const ErrorRecord& record) {
  return {record.code, record.sentence, {.rank = record.rank, .host = record.host, .path = record.path, .tensor = record.tensor}};
}

Error current_error(const Where& where) {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.sentence(), completed(error.where(), where)};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::out_of_memory, "no memory left in this process", completed({}, where)};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what(), completed({}, where)};
  } catch (...) {
    return {ErrorCode::internal, "an exception of an unknown type", completed({}, where)};
  }
}

}  // namespace holdfast
