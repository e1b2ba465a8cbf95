#include "load/file_load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "stage/places.hpp"

namespace holdfast::load {
namespace {

/// For the program's own work on its stream.
constexpr Seconds stream_timeout{600};

}  // namespace

LoadReport FileLoad::run(const std::filesystem::path& path) {
  mpi::all_or_none(comm_, [&] { open(path); });
  check_names();
  if (options_.verify && options_.verify_first) verify_rest();
  mpi::all_or_none(comm_, [&] { read(); });
  if (options_.verify && !options_.verify_first) verify_rest();
  return report_;
}

void FileLoad::open(const std::filesystem::path& path) {
  file_.emplace(path);
  const Saved saved{file_->datasets(), file_->chunks(), file_->info().world_size};
  list_ = reshard(targets_.local.items, saved, comm_.rank(), options_);
  sums_.resize(file_->chunks().size());
  report_.step = file_->info().step;
  report_.path = path.string();
  report_.saved_by_ranks = file_->info().world_size;
  if (options_.strict && !list_.missing.empty())
    throw Error(ErrorCode::not_found, fmt::format("not in the checkpoint: {}", fmt::join(list_.missing, ", ")),
                {.path = path.string(), .tensor = list_.missing.front()});
  report_.missing = list_.missing;
}

/// What no rank asked for is only known together; every rank comes to the same answer.
void FileLoad::check_names() {
  Marks used(file_->datasets().size());
  for (std::size_t dataset = 0; dataset < list_.dataset_used.size(); ++dataset)
    if (list_.dataset_used[dataset]) used.set(dataset);
  used.unite(comm_);
  for (std::size_t dataset = 0; dataset < file_->datasets().size(); ++dataset)
    if (!used.test(dataset)) report_.unexpected.push_back(file_->datasets()[dataset].name);
  if (options_.strict && !report_.unexpected.empty())
    throw Error(ErrorCode::mismatch,
                fmt::format("in the checkpoint, but not in the state dict of any rank: {}", fmt::join(report_.unexpected, ", ")),
                {.path = report_.path, .tensor = report_.unexpected.front()});
}

void FileLoad::read() {
  stage::await(targets_.places, options_.stream, Deadline(stream_timeout));
  Placement placement(*file_, targets_, [this](const Read& read, const Part& part) { return treat(read, part); });
  for (const Read& read : list_.reads) placement.add(read);
  report_.read_bytes += carry_out(*file_, placement.finish(), threads_) + placement.bytes_read();
  report_.bytes = placement.bytes();
  check_sums();
}

/// A chunk that is read as a whole is checked on the way, unless all were checked before. What several ranks read is left in the
/// page cache for the others.
Treatment FileLoad::treat(const Read& read, const Part& part) {
  const storage::ChunkRecord& chunk = file_->chunks()[part.chunk];
  const bool is_whole_chunk = part.box == chunk.box;
  const bool is_shared = comm_.size() > 1 && read.box == whole(file_->datasets()[read.dataset].global);
  const bool is_read_again = options_.verify && !options_.verify_first && !is_whole_chunk;
  Treatment treatment{.page_cache = is_shared || is_read_again ? storage::PageCache::fill : storage::PageCache::avoid};
  if (options_.verify && !options_.verify_first && is_whole_chunk) {
    sums_[part.chunk] = std::make_unique<Checksum>();
    treatment.sum = sums_[part.chunk].get();
  }
  return treatment;
}

void FileLoad::check_sums() const {
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) file_->check_sum(file_->chunks()[chunk], sums_[chunk]->value());
}

/// Each chunk that anybody touches and nobody has checked is checked by one rank.
void FileLoad::verify_rest() {
  const std::vector<std::uint32_t> mine = share_of_rest();
  mpi::all_or_none(comm_, [&] { verify(mine); });
}

/// Collective. The ranks take runs of nearly equal bytes.
std::vector<std::uint32_t> FileLoad::share_of_rest() {
  const std::vector<storage::ChunkRecord>& chunks = file_->chunks();
  Marks touched(chunks.size()), checked(chunks.size());
  for (const std::uint32_t chunk : list_.chunks) touched.set(chunk);
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) checked.set(chunk);
  touched.unite(comm_);
  checked.unite(comm_);
  std::vector<std::uint32_t> rest, mine;
  for (std::uint32_t chunk = 0; chunk < chunks.size(); ++chunk)
    if (touched.test(chunk) && !checked.test(chunk)) rest.push_back(chunk);
  const auto bytes_of = [&](std::uint32_t chunk) {
    return volume(chunks[chunk].box.extent) * size_of(file_->datasets()[chunks[chunk].dataset].dtype);
  };
  std::uint64_t total = 0, before = 0;
  for (const std::uint32_t chunk : rest) total += bytes_of(chunk);
  for (const std::uint32_t chunk : rest) {
    const double share = static_cast<double>(before) / static_cast<double>(std::max<std::uint64_t>(total, 1));
    if (static_cast<int>(share * comm_.size()) == comm_.rank()) mine.push_back(chunk);
    before += bytes_of(chunk);
  }
  return mine;
}

/// Leaves in the page cache what is read next.
void FileLoad::verify(const std::vector<std::uint32_t>& chunks) {
  const auto page_cache = options_.verify_first ? storage::PageCache::fill : storage::PageCache::avoid;
  std::vector<Checksum> sums(chunks.size());
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const storage::ChunkRecord& chunk = file_->chunks()[chunks[i]];
    tasks.push_back({chunk.dataset, chunk.box, {}, &sums[i], page_cache});
  }
  report_.read_bytes += carry_out(*file_, std::move(tasks), threads_);
  for (std::size_t i = 0; i < chunks.size(); ++i) file_->check_sum(file_->chunks()[chunks[i]], sums[i].value());
}

}  // namespace holdfast::load
