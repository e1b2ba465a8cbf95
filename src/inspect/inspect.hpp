#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/checkpoint_reader.hpp>
#include <string>
#include <vector>

/// What the command line does, without its output. Local; no MPI.
namespace holdfast::inspect {

struct VerifyReport {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  std::vector<std::string> problems;  ///< empty: everything is as it was saved
};
/// Checks that every chunk of a file has its checksum, that the chunks cover every element of every dataset exactly
/// once, and that HDF5 sees every dataset with the type, shape and place of our tables. Reports a bad file and never
/// throws for one. `progress` may be empty.
[[nodiscard]] VerifyReport verify(const std::filesystem::path& file, const CheckpointReader::Progress& progress);

struct Difference {
  std::string name;
  enum class Aspect { only_in_first, only_in_second, type, shape, content } kind{};
  std::string text;            ///< both sides, in words; for content of numbers, the first element that differs
  std::uint64_t elements = 0;  ///< number that differ (content); a string, or all ranks' strings of a name, is one
  double largest = 0;          ///< largest absolute difference (content of numbers); infinity for NaN against a number
};
struct DiffReport {
  std::uint64_t compared = 0;  ///< number of datasets compared
  std::vector<Difference> differences;
};
/// Compares bit by bit: two NaNs of the same bits are equal, 0.0 and -0.0 are not. Step and time are not compared.
/// Per-rank values are compared only if both files have the same number of ranks. Throws what the reader throws.
[[nodiscard]] DiffReport diff(const std::filesystem::path& first, const std::filesystem::path& second);

/// A value in words: "7", "0.5", "\"text\"", "[1, 2, 3, … 100 in all]", "rank 0: [1,
/// 2], 1: [3]". Long values are cut; only the part that is shown is read.
[[nodiscard]] std::string value_text(const CheckpointReader& file, const SavedEntry& entry);

}  // namespace holdfast::inspect
