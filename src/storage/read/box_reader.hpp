#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/codec.hpp"
#include "storage/read/block_reader.hpp"
#include "storage/read/source.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {

/// Reads boxes of a checkpoint's datasets together, in few and large reads. One thread uses an object; several objects
/// may read one source at once.
class BoxReader {
 public:
  /// `source` is borrowed.
  BoxReader(const Source& source, PageCache page_cache) : source_(source), page_cache_(page_cache) {}

  /// Adds a box, which lies inside the dataset and is not empty. Its bytes are copied to `to`, unless `to.data` is
  /// null, and added to `sum`, unless null, in row-major order. `to` has the shape of the box and the dtype of the
  /// dataset (a byte for a string). May read what was added before; reads an encoded dataset at once. Throws as run()
  /// does.
  void add(std::uint32_t dataset, const Box& box, const StridedMemory& to, Checksum* sum = nullptr);
  /// Begins to read the added boxes. The last blocks stay in flight.
  void start();
  /// Reads the rest and waits for it. Throws what BlockReader::read() throws, with path and tensor.
  void run();

  [[nodiscard]] std::uint64_t bytes_read() const noexcept;

 private:
  /// What is read from one file.
  struct PartReader {
    PartReader(const Source::Part& part, PageCache page_cache) : begin(part.begin), reader(part.file, page_cache) {}

    std::uint64_t begin = 0;  ///< position of the file's first byte
    BlockReader reader;
    std::vector<ReadPiece> pieces;
  };

  [[nodiscard]] PartReader& reader_at(std::uint64_t position);
  void decode(std::uint32_t dataset, const Box& box, const StridedMemory& to, Checksum* sum);
  void start(PartReader& part);
  template <class Function>
  void or_explain(const PartReader& part, Function function);

  const Source& source_;
  const PageCache page_cache_;
  std::map<std::uint64_t, PartReader> parts_;  ///< by begin
  Bytes decoded_;
  std::uint64_t decoded_bytes_ = 0;
};

}  // namespace holdfast::storage
