#include "base/error_text.hpp"
#include "inspect/inspect.hpp"

namespace holdfast::inspect {

VerifyReport verify(const std::filesystem::path& path, const CheckpointReader::Progress& progress) {
  VerifyReport report;
  report.path = path;
  try {
    const CheckpointReader file(path);
    const auto count = [&](std::uint64_t done, std::uint64_t total) {
      report.bytes = done;
      if (progress) progress(done, total);
    };
    for (const SavedEntry& entry : file.entries()) report.chunks += file.boxes(entry.name).size();
    for (const Error& problem : file.verify(count)) report.problems.emplace_back(problem.what());
  } catch (...) {
    report.problems.emplace_back(current_error().what());
  }
  return report;
}

}  // namespace holdfast::inspect
