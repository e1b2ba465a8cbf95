#include "storage/directory/events.hpp"

#include <fmt/chrono.h>

#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

namespace holdfast::storage {
namespace {

/// One line of JSON. Invalid UTF-8 in names and paths is replaced.
std::string line(const nlohmann::ordered_json& event) {
  return event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// Empty outside of Slurm.
std::string slurm_job() {
  const char* job = std::getenv("SLURM_JOB_ID");
  return job != nullptr ? job : "";
}

double per_second(std::uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

}  // namespace

std::string save_event(const SaveRequest& request, const SaveResult& result) {
  return line({{"event", "save"},
               {"time", utc_now()},
               {"step", request.step},
               {"file", result.path.filename().string()},
               {"ranks", request.world_size},
               {"job", slurm_job()},
               {"datasets", request.datasets.size()},
               {"bytes", result.bytes},
               {"write_s", result.write_s},
               {"fsync_s", result.fsync_s},
               {"total_s", result.total_s},
               {"bytes_per_s", per_second(result.bytes, result.total_s)}});
}

std::string failed_save_event(std::int64_t step, const Error& error) {
  const ErrorContext& where = error.context();
  return line({{"event", "save_failed"},
               {"time", utc_now()},
               {"step", step},
               {"code", to_string(error.code())},
               {"error", error.message()},
               {"rank", where.rank},
               {"host", where.host},
               {"path", where.path},
               {"tensor", where.tensor}});
}

std::string after_commit_event(std::int64_t step, const std::filesystem::path& file, double seconds, bool succeeded,
                               const std::string& end) {
  return line({{"event", "after_commit"},
               {"time", utc_now()},
               {"step", step},
               {"file", file.filename().string()},
               {"total_s", seconds},
               {"succeeded", succeeded},
               {"end", end}});
}

std::string settings_event(const FileSettings& settings, const std::string& launcher, int writers,
                           const std::string& copy) {
  nlohmann::ordered_json hints = nlohmann::ordered_json::object();
  for (const auto& [key, value] : settings.mpi_io_hints) hints[key] = value;
  return line({{"event", "settings"},
               {"time", utc_now()},
               {"launcher", launcher},
               {"helpers", writers},
               {"engine", settings.engine == Engine::direct ? "direct" : "mpi_io"},
               {"method", settings.method},
               {"copy", copy},
               {"alignment_bytes", settings.alignment_bytes},
               {"write_limit_bytes_per_s", settings.write_limit_bytes_per_s},
               {"mpi_io", settings.mpi_io},
               {"mpi_io_hints", std::move(hints)}});
}

std::string load_event(const LoadReport& report, int world_size) {
  return line({{"event", "load"},
               {"time", utc_now()},
               {"step", report.step},
               {"sequence", report.sequence},
               {"file", std::filesystem::path(report.path).filename().string()},
               {"ranks", world_size},
               {"saved_by_ranks", report.saved_by_ranks},
               {"bytes", report.bytes},
               {"total_s", report.seconds},
               {"bytes_per_s", per_second(report.bytes, report.seconds)},
               {"missing", report.first_missing},
               {"missing_count", report.missing_count},
               {"unexpected", report.unexpected},
               {"per_rank_left_out", report.per_rank_left_out},
               {"per_rank_doubled", report.per_rank_doubled},
               {"skipped", report.skipped}});
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace holdfast::storage
