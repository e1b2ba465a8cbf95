#pragma once

#include <cstdint>
#include <vector>

#include "storage/block_reader.hpp"
#include "storage/reader.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {

/// Boxes of a checkpoint's datasets, read together from where they lie in the file, in as few and as large reads as there can
/// be. One thread uses an object; several objects of one file may be used at once.
class Fetch {
 public:
  /// `file` outlives this.
  Fetch(const CheckpointReader& file, PageCache page_cache);

  /// Adds a box, which must lie inside the dataset and not be empty: its bytes go to `to`, memory of its shape in the dataset's
  /// dtype (a string's elements are bytes), unless that has no data, and are added to `sum`, if there is one, in row-major order.
  /// What is added may be read before run(). Throws as run() does.
  void add(std::uint32_t dataset, const Box& box, const StridedMemory& to, Checksum* sum = nullptr);
  /// Begins to read what was added, and leaves the last blocks of it under way.
  void start();
  /// Reads what is not read yet. Throws what BlockReader::read() throws, with path and tensor.
  void run();

  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return reader_.bytes_read(); }

 private:
  template <class Function>
  void or_explain(Function function);

  const CheckpointReader& file_;
  BlockReader reader_;
  std::vector<Piece> pieces_;
};

}  // namespace holdfast::storage
