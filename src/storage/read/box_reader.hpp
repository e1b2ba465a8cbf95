#pragma once

#include <cstdint>
#include <vector>

#include "storage/read/block_reader.hpp"
#include "storage/read/checkpoint_reader.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {

/// Reads boxes of a checkpoint's datasets together, in few and large reads. One thread uses an object; several objects
/// may read one file at once.
class BoxReader {
 public:
  /// `file` is borrowed.
  BoxReader(const CheckpointReader& file, PageCache page_cache);

  /// Adds a box, which lies inside the dataset and is not empty. Its bytes are copied to `to`, unless `to.data` is
  /// null, and added to `sum`, unless null, in row-major order. `to` has the shape of the box and the dtype of the
  /// dataset (a byte for a string). May read what was added before. Throws as run() does.
  void add(std::uint32_t dataset, const Box& box, const StridedMemory& to, Checksum* sum = nullptr);
  /// Begins to read the added boxes. The last blocks stay in flight.
  void start();
  /// Reads the rest and waits for it. Throws what BlockReader::read() throws, with path and tensor.
  void run();

  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return reader_.bytes_read(); }

 private:
  template <class Function>
  void or_explain(Function function);

  const CheckpointReader& file_;
  BlockReader reader_;
  std::vector<ReadPiece> pieces_;
};

}  // namespace holdfast::storage
