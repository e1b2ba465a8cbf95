#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"
#include "storage/write/checkpoint_file.hpp"

namespace holdfast::test {

/// The bytes of numbers as they stand in memory.
template <class T>
Bytes bytes_of(const std::vector<T>& numbers) {
  Bytes bytes(numbers.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}
Bytes bytes_of(const std::string& text);

/// A checkpoint to be, made without a program that has such a state and written as the helper writes it.
class SampleCheckpoint {
 public:
  explicit SampleCheckpoint(int world_size = 2) : world_size_(world_size) {}

  /// A tensor whose rows are spread over the ranks.
  void tensor(const std::string& name, DType dtype, const Shape& global, const Bytes& content);
  /// Saved by rank 0. `shape` is {} for one number.
  void value(const std::string& name, DType dtype, const Shape& shape, const Bytes& content);
  void string(const std::string& name, const std::string& text);
  /// One entry per rank.
  void per_rank(const std::string& name, DType dtype, const std::vector<Bytes>& contents);
  void per_rank_strings(const std::string& name, const std::vector<std::string>& texts);
  /// A dataset with just these chunks, right or wrong.
  void dataset(plan::Dataset definition);
  void chunk(int rank, Box box, Bytes content);

  /// Writes it into `directory` and returns the file.
  std::filesystem::path save(const std::filesystem::path& directory, std::int64_t step, std::int64_t sequence = 0,
                             std::int64_t parent = 0) const;

 private:
  struct Part {
    std::uint32_t dataset;
    int rank;
    Box box;
    Bytes content;
  };
  int world_size_;
  std::vector<plan::Dataset> datasets_;
  std::vector<Part> parts_;
};

/// One of each kind: what most tests look at. 2 ranks; tensors "model/weight" f32 (4, 3) = 0, 1, 2, … and "model/bias"
/// bf16 (3) = 1; values "epoch" i64 = 7, "rate" f64 = 0.5, "note" = "hello", per rank "seed" u64 = 100 + rank.
SampleCheckpoint small_sample();

/// Changes one byte in the middle of the only place where `content` stands in the file.
void flip_byte(const std::filesystem::path& file, const Bytes& content);

}  // namespace holdfast::test
