#include "load/file_load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "load/missing_names.hpp"
#include "load/same_file.hpp"
#include "stage/memory_spaces.hpp"
#include "storage/format/extents.hpp"

namespace holdfast::load {
namespace {

/// Limit for the program's own work on its stream.
constexpr Seconds stream_timeout{600};

/// The names, or the first ones and their number where there are many.
std::string listed(std::span<const std::string> names) {
  constexpr std::size_t most = 8;
  if (names.size() <= most) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{}, … {} in all", fmt::join(names.first(most), ", "), names.size());
}

}  // namespace

LoadReport FileLoad::run(const std::filesystem::path& path) {
  mpi::LocalWork work;
  work([&] { open(path); });
  require_same_file(comm_, path, file_ ? &file_->info() : nullptr, work.error());
  check_names();
  if (verifies()) assignment_ = agree_on_reading(comm_, requests());
  if (verifies() && !checks_on_the_way()) mpi::all_or_none(comm_, [&] { verify_all(std::exchange(assignment_, {})); });
  is_writing_ = true;
  read();
  mpi::all_or_none(comm_, [&] {
    for (const BoxRead& read : list_.reads)
      if (const ValueRef* value = value_of(read)) value->loaded();
  });
  return report_;
}

/// The value that is read; null for a tensor.
const ValueRef* FileLoad::value_of(const BoxRead& read) const {
  const std::size_t tensors = targets_.state.tensors().size();
  return read.item < tensors ? nullptr : &targets_.state.values()[read.item - tensors].ref;
}

void FileLoad::check_lengths() const {
  for (const BoxRead& read : list_.reads) {
    const ValueRef* const value = value_of(read);
    if (value == nullptr || !value->fixed_count() || *value->fixed_count() == volume(read.box.extent)) continue;
    throw Error(ErrorCode::mismatch,
                fmt::format("it has {} elements in the file, and room for {} in the program", volume(read.box.extent),
                            *value->fixed_count()),
                {.tensor = targets_.local.items[read.item].shown()});
  }
}

std::set<std::string> FileLoad::overwritten() const {
  std::set<std::string> names;
  if (!is_writing_) return names;
  for (const BoxRead& read : list_.reads) names.insert(targets_.local.items[read.item].shown());
  return names;
}

void FileLoad::open(const std::filesystem::path& path) {
  file_ = storage::open_source(path, storage::FilterPlugins{options_.filter_plugins});
  const SavedContent saved{file_->datasets(), file_->names(), file_->info().world_size};
  Resharding resharding(targets_.local.items, saved, comm_.rank(), options_);
  file_->read_chunks(resharding.interests());
  list_ = resharding.reads(file_->chunks());
  check_lengths();
  sums_.resize(file_->chunks().size());
  report_.step = file_->info().step;
  report_.sequence = file_->info().sequence;
  report_.path = path.string();
  report_.verified = verifies();
  report_.saved_by_ranks = file_->info().world_size;
  report_.missing = unexcused_ = list_.missing;
  if (planner_.may_be_missing) std::erase_if(unexcused_, planner_.may_be_missing);
}

/// Only all ranks together know the names that one side alone has. Every rank comes to the same answer.
void FileLoad::check_names() {
  const std::vector<plan::Dataset>& datasets = file_->datasets();
  Marks marks(datasets.size() + 1);  // datasets that some rank names, and whether any rank misses a name
  for (std::size_t dataset = 0; dataset < datasets.size(); ++dataset)
    if (list_.dataset_used[dataset]) marks.set(dataset);
  if (!unexcused_.empty()) marks.set(datasets.size());
  marks.unite(comm_);
  if (marks.test(datasets.size())) check_missing();
  for (std::size_t dataset = 0; dataset < datasets.size(); ++dataset)
    if (!marks.test(dataset)) report_.unexpected.push_back(datasets[dataset].name);
  if (options_.strict == Strict::exact && !report_.unexpected.empty())
    throw Error(ErrorCode::mismatch,
                fmt::format("in the checkpoint, but not in the state dict of any rank: {}; LoadOptions::strict = "
                            "Strict::mine leaves them alone",
                            listed(report_.unexpected)),
                {.path = report_.path, .tensor = report_.unexpected.front()});
  for (std::size_t dataset = 0; dataset < datasets.size(); ++dataset)
    if (marks.test(dataset) && plan::is_per_rank_kind(datasets[dataset].kind))
      return check_world(datasets[dataset].name);
}

void FileLoad::check_missing() {
  MissingNames missing = unite_missing(comm_, unexcused_);
  const std::string words = in_words(missing, file_->datasets());
  if (options_.strict != Strict::common)
    throw Error(ErrorCode::not_found,
                fmt::format("not in the checkpoint: {}; with LoadOptions::strict = Strict::common, what both have is "
                            "loaded",
                            words),
                {.path = report_.path, .tensor = missing.first.front()});
  if (comm_.rank() == 0) log::info("not in the checkpoint {}: {}", report_.path, words);
  report_.missing_count = missing.count;
  report_.first_missing = std::move(missing.first);
}

/// Counts the ranks whose per-rank values are left out or loaded twice. `name` is one of these values, for the error.
void FileLoad::check_world(const std::string& name) {
  const int saved = report_.saved_by_ranks, now = comm_.size();
  report_.per_rank_left_out = std::max(0, saved - now);
  report_.per_rank_doubled = std::max(0, now - saved);
  if (options_.exact_per_rank && saved != now)
    throw Error(
        ErrorCode::mismatch,
        fmt::format(
            "a per-rank value that {} ranks saved cannot go to {} ranks one by one (LoadOptions::exact_per_rank)",
            saved, now),
        {.path = report_.path, .tensor = name});
}

/// One request for each chunk. A single rank needs none for a chunk that it checks for itself.
std::vector<ChunkRequest> FileLoad::requests() const {
  std::vector<ChunkRequest> by_chunk(file_->chunks().size());
  for (const BoxRead& read : list_.reads)
    for (const ChunkPart& part : read.parts) add_part(by_chunk[part.chunk], read, part);
  std::erase_if(by_chunk, [&](const ChunkRequest& request) {
    return request.bytes == 0 || (request.is_checked && comm_.size() == 1);
  });
  return by_chunk;
}

/// True if reading the part checks its chunk: the part is all of it, and nothing was verified first.
bool FileLoad::is_checked_on_the_way(const ChunkPart& part) const {
  return checks_on_the_way() && part.box == file_->chunks()[part.chunk].box;
}

/// Where all is verified first, a rank says only which chunks it wants.
void FileLoad::add_part(ChunkRequest& request, const BoxRead& read, const ChunkPart& part) const {
  const storage::ChunkRecord& chunk = file_->chunks()[part.chunk];
  request.row = chunk.row;
  request.address = address_of(chunk);
  request.bytes = volume(chunk.box.extent) * element_bytes(chunk);
  request.is_checked = request.is_checked || is_checked_on_the_way(part);
  if (request.is_checked) request.parts = {}, request.ranges = {};
  if (request.is_checked || !checks_on_the_way()) return;
  request.parts.push_back(part.box);
  const DType saved = file_->datasets()[chunk.dataset].dtype, wanted = targets_.local.memory[read.item].dtype;
  if (!is_direct(targets_.spaces[read.item], saved, wanted)) return;
  if (const auto range = byte_range_of(part.box, chunk.box, size_of(saved))) request.ranges.push_back(*range);
}

/// Each chunk is checked by one of the ranks that want a part of it, and left in the page cache for the read that
/// follows.
void FileLoad::verify_all(const ReadAssignment& assignment) {
  std::vector<ReadTask> tasks;
  for (const SharedRead& shared : assignment.shared) {
    if (shared.readers.front() != comm_.rank()) continue;
    const std::uint32_t number = number_of(shared.row);
    const storage::ChunkRecord& chunk = file_->chunks()[number];
    sums_[number] = std::make_unique<Checksum>();
    tasks.push_back({chunk.dataset, &chunk.box, {}, sums_[number].get(), storage::PageCache::fill, number});
  }
  report_.read_bytes += carry_out(*file_, tasks, threads_);
  check_own_sums();
}

void FileLoad::read() {
  ReadSink sink(*file_, targets_);
  mpi::all_or_none(comm_, [&] {
    choose_modes();
    read_own(sink);
  });
  if (checks_on_the_way()) read_shared(sink);
  report_.bytes = sink.bytes();
}

void FileLoad::read_own(ReadSink& sink) {
  stage::await(targets_.spaces, options_.stream, Deadline(stream_timeout));
  for (const BoxRead& read : list_.reads) sink.add(read);
  if (checks_on_the_way()) remember_ranges(sink.tasks());
  report_.read_bytes += carry_out(*file_, sink.tasks(), threads_) + sink.bytes_read();
  sink.finish();
  check_own_sums();
}

/// A chunk that is read as a whole is checked on the way, unless all chunks were checked before. What several ranks
/// read is left in the page cache.
void FileLoad::choose_modes() {
  for (const SharedRead& shared : assignment_.shared) shared_.insert(number_of(shared.row));
  for (BoxRead& read : list_.reads) {
    const bool is_replica = comm_.size() > 1 && read.box == whole(file_->datasets()[read.dataset].global);
    for (ChunkPart& part : read.parts) {
      part.mode.is_shared = shared_.contains(part.chunk);
      part.mode.page_cache = is_replica ? storage::PageCache::fill : storage::PageCache::avoid;
      if (part.mode.is_shared || !is_checked_on_the_way(part) || sums_[part.chunk]) continue;
      sums_[part.chunk] = std::make_unique<Checksum>();
      part.mode.sum = sums_[part.chunk].get();
    }
  }
}

/// Remembers the ranges that may be parts of chunks which several ranks check together (checksum_chain.hpp).
void FileLoad::remember_ranges(std::span<const ReadTask> tasks) {
  for (const ReadTask& task : tasks) {
    const storage::ChunkRecord& chunk = file_->chunks()[task.chunk];
    if (task.sum != nullptr) continue;
    const auto range = byte_range_of(*task.box, chunk.box, element_bytes(chunk));
    if (!range) continue;
    LoadedRange& loaded = loaded_.try_emplace({chunk.row, range->end}, LoadedRange{*range, task.to}).first->second;
    if (range->begin < loaded.range.begin) loaded = {*range, task.to};
  }
}

void FileLoad::read_shared(ReadSink& sink) {
  const SharedReadResult shared = shared_read(comm_, *file_, shared_chunks(), sink);
  report_.read_bytes += shared.bytes_read;
  mpi::all_or_none(comm_, [&] {
    if (shared.failure) throw Error(*shared.failure);
    sink.finish();
  });
  const std::vector<ChunkSum> chained = checksum_chain(comm_, assignment_.links, loaded_);
  mpi::all_or_none(comm_, [&] {
    for (const std::vector<ChunkSum>& sums : {shared.sums, chained})
      for (const ChunkSum& sum : sums) file_->check_sum(file_->chunks()[number_of(sum.row)], sum.value);
  });
}

std::vector<SharedChunk> FileLoad::shared_chunks() const {
  std::vector<SharedChunk> chunks;
  for (const SharedRead& shared : assignment_.shared) {
    const std::uint32_t number = number_of(shared.row);
    const storage::ChunkRecord& chunk = file_->chunks()[number];
    chunks.push_back({number, chunk.row, address_of(chunk), Slabs(chunk.box, element_bytes(chunk), slab_bytes),
                      shared.readers, shared.wants});
  }
  return chunks;
}

void FileLoad::check_own_sums() const {
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) file_->check_sum(file_->chunks()[chunk], sums_[chunk]->value());
}

std::uint32_t FileLoad::number_of(std::uint64_t row) const {
  const auto& chunks = file_->chunks();
  return static_cast<std::uint32_t>(std::ranges::lower_bound(chunks, row, {}, &storage::ChunkRecord::row) -
                                    chunks.begin());
}

std::uint64_t FileLoad::address_of(const storage::ChunkRecord& chunk) const {
  return storage::Placed{file_->datasets()[chunk.dataset], file_->position_of(chunk.dataset)}.offset_of(
      chunk.box.offset);
}

std::size_t FileLoad::element_bytes(const storage::ChunkRecord& chunk) const {
  return size_of(file_->datasets()[chunk.dataset].dtype);
}

}  // namespace holdfast::load
