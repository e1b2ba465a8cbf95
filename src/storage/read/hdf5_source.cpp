#include "storage/read/hdf5_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "storage/format/extents.hpp"
#include "storage/read/hdf5_guard.hpp"
#include "storage/read/head.hpp"

namespace holdfast::storage {
namespace {

/// HDF5's memory for decoded chunks, or one chunk where that is larger.
constexpr std::uint64_t cache_bytes = 64 << 20;

/// HDF5 is not thread-safe, and a load decodes in several threads.
std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::uint64_t bytes_of(const plan::Dataset& dataset) {
  return volume(dataset.global) * element_bytes(dataset);
}

}  // namespace

Hdf5Source::Hdf5Source(const std::filesystem::path& path, FilterPlugins plugins)
    : bytes_(guarded(path, [&] { return add_part(path).file.bytes(); })), plugins_(plugins) {
  guarded(path, [&] {
    file_.emplace(open_checkpoint(path));
    info_ = read_header(file_->get(), path, bytes_).info;
    index_.emplace(file_->get(), part_at(0).file, plugins);
    PlacedDatasets placed = parse_datasets(index_->index(), bytes_ * most_expansion);
    set_datasets(std::move(placed.datasets), placed.addresses);
    find_moved(placed.addresses);
  });
}

Hdf5Source::~Hdf5Source() {
  const std::scoped_lock lock(hdf5_mutex());
  decoder_.reset();
  file_.reset();
}

/// Finds the datasets again if another program has rewritten the file (h5repack): it copies our tables, but moves the
/// datasets. The first and the last dataset show this; HDF5 then tells where all of them are.
void Hdf5Source::find_moved(std::vector<std::uint64_t>& addresses) {
  const Hdf5View view(file_->get(), bytes_, plugins_);
  const auto has_moved = [&](std::size_t i) { return view.address_of(datasets()[i]) != addresses[i]; };
  const auto is_before = [&](std::size_t a, std::size_t b) { return addresses[a] < addresses[b]; };
  std::vector<std::size_t> placed;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    if (addresses[i] != 0) placed.push_back(i);
  if (placed.empty()) return;
  const auto [first, last] = std::ranges::minmax_element(placed, is_before);
  const bool is_moved = has_moved(*first) || has_moved(*last);
  for (std::uint32_t i = 0; i < addresses.size(); ++i)
    place(i, is_moved ? view.address_of(datasets()[i]) : addresses[i]);
}

/// Throws unless the dataset lies inside the file.
void Hdf5Source::place(std::uint32_t number, std::optional<std::uint64_t> address) {
  const plan::Dataset& dataset = datasets()[number];
  if (!address) {
    is_encoded_ = true;
    return set_encoded(number);
  }
  const std::uint64_t bytes = bytes_of(dataset);
  if (bytes > bytes_ || *address > bytes_ - bytes)
    throw Error(ErrorCode::corrupt, "it does not lie inside the file", {.tensor = dataset.name});
  set_position(number, *address);
}

void Hdf5Source::read_chunks(const Interests& wanted) {
  const auto read = [&](const RowPlace& place, Segment& segment) { index_->read(place, segment); };
  guarded(info().path, [&] { chunks_ = storage::read_chunks(index_->index(), read, datasets(), wanted); });
  index_.reset();
  if (!is_encoded_) file_.reset();
}

void Hdf5Source::decode(std::uint32_t number, const Box& box, std::byte* packed) const {
  const std::scoped_lock lock(hdf5_mutex());
  guarded(info().path, [&] {
    try {
      if (!decoder_ || decoded_ != number) open_decoder(number);
      hdf5::read(decoder_, hdf5::type_of(decoder_).get(), hdf5::select_box(decoder_, box.offset, box.extent), packed);
    } catch (const hdf5::Failure& failure) {
      throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.message(),
                  {.tensor = datasets()[number].name});
    }
  });
}

/// A chunk that HDF5 cannot keep would be decoded for each read again.
void Hdf5Source::open_decoder(std::uint32_t number) const {
  decoder_.reset();
  const std::string path = path_of(datasets()[number]);
  const std::uint64_t chunk =
      std::min(hdf5::chunk_bytes(access_.open(file_->get(), path)), bytes_of(datasets()[number]));
  decoder_ = access_.open_to_decode(file_->get(), path, std::max(cache_bytes, chunk));
  decoded_ = number;
}

std::vector<Error> Hdf5Source::other_views() const {
  return guarded(info().path, [&] {
    const hdf5::BufferedFile file = open_checkpoint(info().path);
    const Hdf5View view(file.get(), bytes_, plugins_);
    std::vector<Error> differences;
    for (std::uint32_t i = 0; i < datasets().size(); ++i) {
      try {
        const std::optional<std::uint64_t> address = view.address_of(datasets()[i]);
        if (address ? is_encoded(i) || *address != position_of(i) : !is_encoded(i))
          throw Error(ErrorCode::corrupt, "HDF5 sees another place than the datasets table has",
                      {.tensor = datasets()[i].name});
      } catch (...) {
        differences.push_back(current_error({.host = host_name(), .path = info().path.string()}));
      }
    }
    return differences;
  });
}

}  // namespace holdfast::storage
