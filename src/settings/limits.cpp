#include "settings/limits.hpp"

#include <fmt/format.h>

#include "base/cores.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::settings {
namespace {

constexpr std::uint64_t most_alignment_bytes = std::uint64_t{1} << 30;
constexpr int most_threads = 1024;

std::string unless(bool is_good, std::string otherwise) {
  return is_good ? std::string() : std::move(otherwise);
}

}  // namespace

std::string not_negative(std::int64_t value) {
  return unless(value >= 0, "it is 0 or more");
}

std::string thread_count(int value) {
  return unless(value >= 0 && value <= most_threads, fmt::format("it can be 0 to {}", most_threads));
}

std::string alignment(std::uint64_t bytes) {
  return unless(bytes >= 1 && bytes <= most_alignment_bytes,
                fmt::format("it can be 1 to {} (1 GiB)", most_alignment_bytes));
}

std::string file_mode(std::uint32_t bits) {
  return unless((bits & 0600U) == 0600U && (bits & ~0666U) == 0, "it has to have 0600, and no bits but those of 0666");
}

std::string timeout(double seconds) {
  return unless(seconds > 0, "timeouts are more than 0 seconds");
}

std::string step_or_newest(std::int64_t step) {
  return unless(step >= -1, "it is a step, or -1 for the newest checkpoint");
}

std::string text_without_null(const std::string& text) {
  return unless(text.find('\0') == text.npos, "a text of Options has no null character");
}

std::string path_or_none(const std::filesystem::path& path) {
  return text_without_null(path.string());
}

std::string some_path(const std::filesystem::path& path) {
  return path.empty() ? "it has to be given" : path_or_none(path);
}

std::string list_of_cores(const std::string& list) {
  static_cast<void>(parse_cores(list));
  return {};
}

std::string hints(const Hints& hints) {
  static_cast<void>(mpi::Info(hints));
  return {};
}

std::string command_line(const std::vector<std::string>& words) {
  if (!words.empty() && words[0].empty()) return "it begins with the name of a program";
  for (const std::string& word : words)
    if (std::string instead = text_without_null(word); !instead.empty()) return instead;
  return {};
}

}  // namespace holdfast::settings
