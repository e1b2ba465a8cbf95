#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <holdfast/checkpoint_reader.hpp>
#include <numeric>
#include <utility>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "base/nearest.hpp"
#include "plan/local.hpp"
#include "storage/format/extents.hpp"
#include "storage/read/box_reader.hpp"
#include "tensor/box_index.hpp"
#include "tensor/cover.hpp"
#include "tensor/strided.hpp"

namespace holdfast {
namespace {

using plan::DatasetKind;
using storage::ChunkRecord;

SavedEntry entry_of(const plan::Dataset& dataset) {
  const bool is_string = dataset.kind == DatasetKind::string || dataset.kind == DatasetKind::per_rank_string;
  const bool is_tensor = dataset.kind == DatasetKind::tensor;
  return {.name = dataset.name,
          .kind = is_string   ? SavedKind::string
                  : is_tensor ? SavedKind::tensor
                              : SavedKind::value,
          .per_rank = plan::is_per_rank_kind(dataset.kind),
          .dtype = dataset.dtype,
          .shape = dataset.global};
}

}  // namespace

class CheckpointReader::Impl {
 public:
  Impl(const std::filesystem::path& path, const ReaderOptions& options)
      : source_(storage::open_whole(path, storage::FilterPlugins{options.filter_plugins})),
        verifies_(options.verify && source_->has_checksums()),
        numbers_(source_->datasets().size()),
        chunks_(numbers_.size()) {
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    std::ranges::sort(numbers_, {}, [&](std::uint32_t i) -> const std::string& { return definition(i).name; });
    for (const std::uint32_t number : numbers_) entries_.push_back(entry_of(definition(number)));
    for (const ChunkRecord& chunk : source_->chunks()) chunks_[chunk.dataset].push_back(&chunk);
    for (auto& of_dataset : chunks_) {
      std::ranges::stable_sort(of_dataset, {}, [](const ChunkRecord* chunk) -> const Box& { return chunk->box; });
      std::vector<const Box*> boxes;
      for (const ChunkRecord* chunk : of_dataset) boxes.push_back(&chunk->box);
      indices_.emplace_back(boxes);
    }
  }

  [[nodiscard]] const storage::Source& source() const noexcept { return *source_; }
  [[nodiscard]] const std::vector<SavedEntry>& entries() const noexcept { return entries_; }
  [[nodiscard]] const plan::Dataset& definition(std::uint32_t number) const { return source_->datasets()[number]; }
  [[nodiscard]] const std::vector<const ChunkRecord*>& chunks_of(std::uint32_t number) const { return chunks_[number]; }

  [[nodiscard]] std::uint32_t number_of(std::string_view name) const {
    if (const auto number = source_->names().find(name)) return *number;
    std::vector<std::string_view> names;
    for (const SavedEntry& entry : entries_) names.push_back(entry.name);
    const auto near = nearest(name, names);
    fail(ErrorCode::not_found, name,
         near ? fmt::format("it is not in the checkpoint, which has {}", *near)
              : std::string("it is not in the checkpoint"));
  }

  [[noreturn]] void fail(ErrorCode code, std::string_view name, std::string sentence) const {
    throw Error(code, std::move(sentence), {.path = source_->info().path.string(), .tensor = std::string(name)});
  }

  /// Reads a box, which lies inside the dataset, and verifies the chunks that it has a part of.
  void read(std::uint32_t number, const Box& box, const StridedMemory& to) const {
    std::vector<std::uint32_t> found;
    indices_[number].find(box, found);
    std::vector<const ChunkRecord*> touched;
    std::uint64_t covered = 0;
    for (const std::uint32_t i : found) {
      touched.push_back(chunks_[number][i]);
      covered += volume(intersect(touched.back()->box, box)->extent);
    }
    if (covered != volume(box.extent))
      fail(ErrorCode::corrupt, definition(number).name,
           fmt::format("the file has {} of the {} elements in {}", covered, volume(box.extent), to_string(box)));
    if (covered > 0) read_chunks(touched, box, to);
  }

  /// The box of a value: of one rank, if it is per rank.
  [[nodiscard]] Box box_of_value(std::uint32_t number, int rank) const {
    const plan::Dataset& dataset = definition(number);
    if (dataset.kind == DatasetKind::tensor) fail(ErrorCode::mismatch, dataset.name, "it is a tensor, not a value");
    const bool per_rank = plan::is_per_rank_kind(dataset.kind);
    if (per_rank != (rank >= 0))
      fail(ErrorCode::invalid_argument, dataset.name,
           per_rank ? "each rank saved a value of its own, and no rank is named"
                    : "the value is the same for all ranks, and a rank is named");
    if (!per_rank) return whole(dataset.global);
    for (const ChunkRecord* chunk : chunks_[number])
      if (chunk->rank == rank) return chunk->box;
    fail(ErrorCode::not_found, dataset.name, fmt::format("rank {} saved no value of this name", rank));
  }

  [[nodiscard]] std::vector<std::byte> read_value(std::uint32_t number, const Box& box) const {
    std::vector<std::byte> bytes(volume(box.extent) * storage::element_bytes(definition(number)));
    if (!bytes.empty()) read(number, box, packed_memory(bytes.data(), box, storage::element_bytes(definition(number))));
    return bytes;
  }

 private:
  /// The parts of the box and the whole chunks are read together, so that each byte comes from the file once.
  void read_chunks(const std::vector<const ChunkRecord*>& touched, const Box& box, const StridedMemory& to) const {
    storage::BoxReader reader(*source_, storage::PageCache::fill);
    std::vector<Checksum> sums(verifies_ ? touched.size() : 0);
    for (std::size_t i = 0; i < touched.size(); ++i) {
      const Box common = *intersect(touched[i]->box, box);
      const StridedMemory place = part_of(to, relative(common, box.offset));
      const bool is_all = common == touched[i]->box;
      reader.add(touched[i]->dataset, common, place, verifies_ && is_all ? &sums[i] : nullptr);
      if (verifies_ && !is_all) reader.add(touched[i]->dataset, touched[i]->box, {}, &sums[i]);
    }
    reader.run();
    for (std::size_t i = 0; i < sums.size(); ++i) source_->check_sum(*touched[i], sums[i].value());
  }

  std::unique_ptr<const storage::Source> source_;
  const bool verifies_;
  std::vector<std::uint32_t> numbers_;                   ///< of entries_
  std::vector<SavedEntry> entries_;                      ///< by name
  std::vector<std::vector<const ChunkRecord*>> chunks_;  ///< of each dataset, by box
  std::vector<BoxIndex> indices_;                        ///< of the same
};

namespace {

/// What is wrong with the way in which chunks cover a dataset; nothing if each element is in one of them.
std::optional<std::string> fault_of_cover(const plan::Dataset& dataset, const std::vector<const ChunkRecord*>& chunks) {
  std::vector<Box> boxes;
  std::vector<const ChunkRecord*> full;
  for (const ChunkRecord* chunk : chunks)
    if (!empty(chunk->box)) boxes.push_back(chunk->box), full.push_back(chunk);
  if (const auto pair = find_overlap(boxes)) {
    const ChunkRecord &a = *full[pair->first], &b = *full[pair->second];
    return fmt::format("chunks of rank {} and rank {} both hold {}", a.rank, b.rank,
                       to_string(*intersect(a.box, b.box)));
  }
  if (const auto hole = find_hole(dataset.global, boxes)) return fmt::format("no chunk holds {}", to_string(*hole));
  return std::nullopt;
}

}  // namespace

CheckpointReader::CheckpointReader(const std::filesystem::path& file, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>(file, options)) {}
CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;
CheckpointReader& CheckpointReader::operator=(CheckpointReader&&) noexcept = default;

const CheckpointInfo& CheckpointReader::info() const noexcept {
  return impl_->source().info();
}
const std::vector<SavedEntry>& CheckpointReader::entries() const noexcept {
  return impl_->entries();
}
bool CheckpointReader::has_checksums() const noexcept {
  return impl_->source().has_checksums();
}

const SavedEntry* CheckpointReader::find(std::string_view name) const noexcept {
  const auto found = std::ranges::lower_bound(entries(), name, {}, &SavedEntry::name);
  return found != entries().end() && found->name == name ? &*found : nullptr;
}

const SavedEntry& CheckpointReader::at(std::string_view name) const {
  static_cast<void>(impl_->number_of(name));
  return *find(name);
}

std::vector<SavedBox> CheckpointReader::boxes(std::string_view name) const {
  std::vector<SavedBox> boxes;
  for (const ChunkRecord* chunk : impl_->chunks_of(impl_->number_of(name)))
    boxes.push_back({chunk->rank, chunk->box.offset, chunk->box.extent});
  return boxes;
}

void CheckpointReader::read(std::string_view name, const TensorView& to) const {
  const std::uint32_t number = impl_->number_of(name);
  const plan::Dataset& dataset = impl_->definition(number);
  if (dataset.dtype != to.dtype)
    impl_->fail(ErrorCode::mismatch, name,
                fmt::format("the dtype is {} in the file, and {} in the program", to_string(dataset.dtype),
                            to_string(to.dtype)));
  if (to.shard.global != dataset.global)
    impl_->fail(ErrorCode::mismatch, name,
                fmt::format("the shape is {} in the file, and {} in the program", to_string(dataset.global),
                            to_string(to.shard.global)));
  TensorView view = to;
  try {
    if (view.address) view.data = std::exchange(view.address, nullptr)();
    plan::check_target(dataset.name, view);
  } catch (...) {
    throw current_error({.path = info().path.string(), .tensor = dataset.name});
  }
  const Box box{view.shard.offset, view.shard.extent};
  if (!empty(box)) impl_->read(number, box, memory_of(view, box));
}

std::vector<std::byte> CheckpointReader::bytes(std::string_view name, int rank) const {
  const std::uint32_t number = impl_->number_of(name);
  return impl_->read_value(number, impl_->box_of_value(number, rank));
}

std::string CheckpointReader::string(std::string_view name, int rank) const {
  if (at(name).kind != SavedKind::string) impl_->fail(ErrorCode::mismatch, name, "it is not a string");
  const std::vector<std::byte> read = bytes(name, rank);
  return {reinterpret_cast<const char*>(read.data()), read.size()};
}

void CheckpointReader::copy_value(std::string_view name, int rank, DType dtype, bool is_one,
                                  const std::function<void*(std::size_t count)>& room) const {
  const SavedEntry& entry = at(name);
  if (entry.kind == SavedKind::string) impl_->fail(ErrorCode::mismatch, name, "it is a string, not a number");
  if (entry.dtype != dtype)
    impl_->fail(
        ErrorCode::mismatch, name,
        fmt::format("the dtype is {} in the file, and {} in the program", to_string(entry.dtype), to_string(dtype)));
  const std::vector<std::byte> read = bytes(name, rank);
  const std::size_t count = read.size() / size_of(dtype);
  if (is_one && count != 1) impl_->fail(ErrorCode::mismatch, name, fmt::format("it has {} numbers, not one", count));
  void* const to = room(count);
  if (count > 0) std::memcpy(to, read.data(), read.size());
}

std::vector<Error> CheckpointReader::verify(const Progress& progress) const {
  const storage::Source& source = impl_->source();
  std::vector<Error> problems = source.other_views();
  for (std::uint32_t i = 0; i < source.datasets().size(); ++i)
    if (auto fault = fault_of_cover(source.datasets()[i], impl_->chunks_of(i)))
      problems.emplace_back(ErrorCode::corrupt, *std::move(fault),
                            ErrorContext{.path = info().path.string(), .tensor = source.datasets()[i].name});
  const auto bytes_of = [&](const ChunkRecord& chunk) {
    return volume(chunk.box.extent) * storage::element_bytes(source.datasets()[chunk.dataset]);
  };
  std::uint64_t done = 0, total = 0;
  for (const ChunkRecord& chunk : source.chunks()) total += bytes_of(chunk);
  for (const ChunkRecord& chunk : source.chunks()) {
    try {
      source.verify(chunk);
    } catch (const Error& error) {
      problems.push_back(error);
    }
    done += bytes_of(chunk);
    if (progress) progress(done, total);
  }
  return problems;
}

}  // namespace holdfast
