#include "api/check_options.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <string>

#include "base/cores.hpp"
#include "base/error_text.hpp"
#include "storage/filesystem.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::api {
namespace {

constexpr std::uint64_t most_alignment_bytes = std::uint64_t{1} << 30;
constexpr int most_stage_threads = 1024;

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCode::invalid_argument, sentence, {.host = host_name()});
}

/// Of an enumeration that begins at 0.
template <class Enum>
void check_enumerator(const char* option, Enum value, Enum last) {
  const int number = static_cast<int>(value);
  if (number < 0 || value > last) refuse(fmt::format("{} is {}, which is none of its enumerators", option, number));
}

void check_texts(const Options& options) {
  if (options.directory.empty()) refuse("Options::directory is empty");
  const std::string directory = options.directory.string(), helper = options.helper.string();
  for (const std::string& text : {directory, helper, options.mpi_io})
    if (text.find('\0') != text.npos) refuse("a text of Options has a null character");
  static_cast<void>(parse_cores(options.helper_cores));
  static_cast<void>(mpi::Info(options.mpi_io_hints));
}

void check_counts(const Options& options) {
  if (options.keep_last < 0 || options.keep_every < 0) refuse("Options::keep_last and keep_every are 0 or more");
  if (options.ranks_per_helper < 0) refuse("Options::ranks_per_helper is 0 or more");
  if (options.stage_threads < 0 || options.stage_threads > most_stage_threads)
    refuse(fmt::format("Options::stage_threads is {}; it can be 0 to {}", options.stage_threads, most_stage_threads));
  if (options.alignment_bytes == 0 || options.alignment_bytes > most_alignment_bytes)
    refuse(fmt::format("Options::alignment_bytes is {}; it can be 1 to {} (1 GiB)", options.alignment_bytes, most_alignment_bytes));
  if (!storage::FileMode::is_possible(options.file_mode))
    refuse(fmt::format("Options::file_mode is {:#o}; it has to have 0600, and no bits but those of 0666", options.file_mode));
}

void check_timeout(const char* option, double timeout_s) {
  if (!(timeout_s > 0)) refuse(fmt::format("Options::{} is {}; timeouts are more than 0 seconds", option, timeout_s));
}

}  // namespace

void check(const Options& options) {
  check_texts(options);
  check_counts(options);
  check_enumerator("Options::launcher", options.launcher, Launcher::reserved_ranks);
  check_enumerator("Options::transport", options.transport, Transport::put);
  check_enumerator("Options::engine", options.engine, Engine::direct);
  check_timeout("launch_timeout_s", options.launch_timeout_s);
  check_timeout("helper_timeout_s", options.helper_timeout_s);
  check_timeout("save_timeout_s", options.save_timeout_s);
  check_timeout("close_timeout_s", options.close_timeout_s);
}

void check(const SaveOptions& options) {
  check_enumerator("SaveOptions::when_busy", options.when_busy, WhenBusy::fail);
}

void check(const LoadOptions& options) {
  if (options.step < -1) refuse(fmt::format("LoadOptions::step is {}; it is a step, or -1 for the newest checkpoint", options.step));
  check_enumerator("LoadOptions::saves_go_on_from", options.saves_go_on_from, GoOnFrom::newest);
}

}  // namespace holdfast::api
