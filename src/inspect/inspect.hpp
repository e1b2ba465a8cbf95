#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "storage/reader.hpp"

/// What the command line does, without its output. Local; no MPI.
namespace holdfast::inspect {

/// Called with bytes done and bytes in all.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct VerifyReport {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  std::vector<std::string> problems;  ///< empty: everything is as it was saved
};
/// Every chunk of a file against its checksum, that the chunks cover every element of every dataset exactly once, and that HDF5
/// sees every dataset with the type and shape and in the place that our tables say. Never throws for a bad file: that is what it
/// reports. `progress` may be empty.
[[nodiscard]] VerifyReport verify(const std::filesystem::path& file, const Progress& progress);

struct Difference {
  std::string name;
  enum class Kind { only_in_first, only_in_second, type, shape, content } kind{};
  std::string text;            ///< both sides, in words; for the content of numbers, at the first place that differs
  std::uint64_t elements = 0;  ///< that differ (content); a string, or all ranks' strings of one name, counts as one
  double largest = 0;          ///< largest absolute difference (content of numbers); NaN against a number counts as infinity
};
struct DiffReport {
  std::uint64_t compared = 0;  ///< datasets that both files have
  std::vector<Difference> differences;
};
/// Compares bit by bit: two NaNs of the same bits are equal, 0.0 and -0.0 are not. Step and time are not compared.
/// Per-rank values are compared where both files have as many ranks. Throws what the reader throws.
[[nodiscard]] DiffReport diff(const std::filesystem::path& first, const std::filesystem::path& second);

/// A value (kinds value, string, per_rank) in words: "7", "0.5", "\"text\"", "[1, 2, 3, … 100 in all]",
/// "rank 0: [1, 2], 1: [3]". Long ones are cut; only what is shown is read.
[[nodiscard]] std::string value_text(const storage::CheckpointReader& file, std::uint32_t dataset);

}  // namespace holdfast::inspect
