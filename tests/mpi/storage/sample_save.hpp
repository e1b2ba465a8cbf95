#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "storage/write/checkpoint_file.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage::test {

/// The byte of a dataset's row-major content at `position`, if `salt` is its place in the list of datasets.
/// read_with_h5py.py knows the same rule.
[[nodiscard]] std::byte pattern(std::uint64_t salt, std::uint64_t position, DType dtype);

/// A save shared by some writers, and its content. Every writer makes the same one and asks for its own part.
class SampleSave {
 public:
  explicit SampleSave(int writers) : writers_(writers) {}

  /// Every dtype, kind and odd shape that the format knows; large datasets cut by rows, by columns, and in the middle.
  static SampleSave of_everything(int writers);

  /// A dataset cut into nearly equal boxes for the writers, along its first dimensions.
  void add(plan::Dataset dataset);
  /// One box per writer; an absent one writes nothing.
  void add(plan::Dataset dataset, std::vector<std::optional<Box>> boxes);
  /// Saved by one writer alone.
  void add_alone(plan::Dataset dataset, int writer);

  [[nodiscard]] const std::vector<plan::Dataset>& datasets() const noexcept { return datasets_; }
  [[nodiscard]] std::uint64_t bytes() const;
  /// What `writer` saves. The result refers to memory of this object.
  [[nodiscard]] SaveRequest request(std::int64_t step, int writer);
  /// What a box of a dataset has to contain.
  [[nodiscard]] Bytes content(std::uint32_t dataset, const Box& box) const;

 private:
  int writers_;
  std::vector<plan::Dataset> datasets_;
  std::vector<std::vector<std::optional<Box>>> boxes_;
  std::deque<Bytes> memory_;
};

/// What differs between the file and the save, in words; empty if it is all there, with every chunk's checksum right.
[[nodiscard]] std::string mistake(const std::filesystem::path& file, const SampleSave& save, std::int64_t step);

}  // namespace holdfast::storage::test
