#include <fmt/format.h>

#include "base/error_text.hpp"
#include "inspect/inspect.hpp"
#include "tensor/cover.hpp"

namespace holdfast::inspect {
namespace {

using storage::CheckpointReader;
using storage::ChunkRecord;

std::uint64_t bytes_of(const CheckpointReader& file, const ChunkRecord& chunk) {
  return volume(chunk.box.extent) * size_of(file.datasets()[chunk.dataset].dtype);
}

/// Empty if the chunks of a dataset hold each of its elements exactly once.
std::string coverage_problem(const plan::Dataset& dataset, const std::vector<const ChunkRecord*>& chunks) {
  std::vector<Box> boxes;
  for (const ChunkRecord* chunk : chunks) boxes.push_back(chunk->box);
  if (const auto pair = find_overlap(boxes)) {
    const ChunkRecord &a = *chunks[pair->first], &b = *chunks[pair->second];
    const std::string both = to_string(intersect(a.box, b.box).value());
    return fmt::format("'{}': chunks of rank {} and rank {} both hold {}", dataset.name, a.rank, b.rank, both);
  }
  if (const auto hole = find_hole(dataset.global, boxes))
    return fmt::format("'{}': no chunk holds {}", dataset.name, to_string(*hole));
  return {};
}

void check_coverage(const CheckpointReader& file, VerifyReport& report) {
  std::vector<std::vector<const ChunkRecord*>> chunks(file.datasets().size());
  for (const ChunkRecord& chunk : file.chunks())
    if (!empty(chunk.box)) chunks[chunk.dataset].push_back(&chunk);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    std::string problem = coverage_problem(file.datasets()[i], chunks[i]);
    if (!problem.empty()) report.problems.push_back(std::move(problem));
  }
}

void check_chunks(const CheckpointReader& file, VerifyReport& report, const Progress& progress) {
  std::uint64_t total = 0;
  for (const ChunkRecord& chunk : file.chunks()) total += bytes_of(file, chunk);
  for (const ChunkRecord& chunk : file.chunks()) {
    try {
      file.verify(chunk);
    } catch (const Error& error) {
      report.problems.emplace_back(error.what());
    }
    report.bytes += bytes_of(file, chunk);
    ++report.chunks;
    if (progress) progress(report.bytes, total);
  }
}

}  // namespace

VerifyReport verify(const std::filesystem::path& path, const Progress& progress) {
  VerifyReport report;
  report.path = path;
  try {
    const CheckpointReader file(path);
    for (const Error& difference : file.differences_from_hdf5()) report.problems.emplace_back(difference.what());
    check_coverage(file, report);
    check_chunks(file, report, progress);
  } catch (...) {
    report.problems.emplace_back(current_error().what());
  }
  return report;
}

}  // namespace holdfast::inspect
