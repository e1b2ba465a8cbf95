#pragma once

#include <filesystem>

#include "storage/read/index_reader.hpp"
#include "storage/read/source.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {

/// A checkpoint file as Holdfast writes it, or as h5repack has rewritten it. The tables tell where everything is; HDF5
/// tells where the tables are, and decodes what is compressed.
class Hdf5Source final : public Source {
 public:
  Hdf5Source(const std::filesystem::path& path, FilterPlugins plugins);
  ~Hdf5Source() override;

  void read_chunks(const Interests& wanted) override;
  void decode(std::uint32_t dataset, const Box& box, std::byte* packed) const override;
  /// Opens every dataset by HDF5, as other programs do. One thread of the process at a time.
  [[nodiscard]] std::vector<Error> other_views() const override;

 private:
  void find_moved(std::vector<std::uint64_t>& addresses);
  void place(std::uint32_t dataset, std::optional<std::uint64_t> address);
  void open_decoder(std::uint32_t dataset) const;

  const std::uint64_t bytes_;
  const FilterPlugins plugins_;
  bool is_encoded_ = false;  ///< some dataset is
  hdf5::DatasetAccess access_;
  std::optional<hdf5::BufferedFile> file_;  ///< open as long as HDF5 is needed
  std::optional<IndexReader> index_;        ///< until the chunks are read

  /// The dataset that is decoded, and its handle. Used by one thread at a time.
  mutable std::uint32_t decoded_ = 0;
  mutable hdf5::DatasetId decoder_;
};

}  // namespace holdfast::storage
