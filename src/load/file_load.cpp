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
  is_writing_ = true;
  mpi::all_or_none(comm_, [&] { read(); });
  if (checks_later()) verify_rest();
  return report_;
}

std::set<std::string> FileLoad::overwritten() const {
  std::set<std::string> names;
  if (!is_writing_) return names;
  for (const Read& read : list_.reads) names.insert(targets_.local.items[read.item].name);
  return names;
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
  Placement placement(*file_, targets_,
                      [this](const Read& read, const Part& part, Way way) { return treat(read, part, way); });
  for (const Read& read : list_.reads) placement.add(read);
  std::vector<Task> tasks = placement.finish();
  if (checks_later()) keep_split_chunks(tasks);
  report_.read_bytes += carry_out(*file_, std::move(tasks), threads_) + placement.bytes_read();
  report_.bytes = placement.bytes();
  check_sums();
}

/// A chunk that is read as a whole is checked on the way, unless all were checked before. What several ranks read, or one will
/// have to read once more, is left in the page cache.
Treatment FileLoad::treat(const Read& read, const Part& part, Way way) {
  const bool is_whole_chunk = part.box == file_->chunks()[part.chunk].box;
  const bool is_shared = comm_.size() > 1 && read.box == whole(file_->datasets()[read.dataset].global);
  const bool is_read_again = checks_later() && !is_whole_chunk && !(way == Way::direct && stretch_in_chunk(part.chunk, part.box));
  Treatment treatment{.page_cache = is_shared || is_read_again ? storage::PageCache::fill : storage::PageCache::avoid};
  if (checks_later() && is_whole_chunk) {
    sums_[part.chunk] = std::make_unique<Checksum>();
    treatment.sum = sums_[part.chunk].get();
  }
  return treatment;
}

std::optional<Stretch> FileLoad::stretch_in_chunk(std::uint32_t number, const Box& part) const {
  const storage::ChunkRecord& chunk = file_->chunks()[number];
  return stretch_of(part, chunk.box, size_of(file_->datasets()[chunk.dataset].dtype));
}

/// Those of which other ranks have the rest: their checksums go from rank to rank (relay).
void FileLoad::keep_split_chunks(const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    if (task.sum != nullptr) continue;
    if (const auto stretch = stretch_in_chunk(task.chunk, task.box)) split_.push_back({task.chunk, *stretch, task.to});
  }
  std::ranges::sort(split_, {}, &Loaded::chunk);
}

void FileLoad::check_sums() const {
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) file_->check_sum(file_->chunks()[chunk], sums_[chunk]->value());
}

/// Each chunk that anybody touches and nobody has checked is checked by one rank, which reads it unless the ranks together have it
/// in memory.
void FileLoad::verify_rest() {
  const std::vector<Duty> duties = duties_for_rest();
  std::vector<std::uint32_t> mine;
  for (const Duty& duty : duties)
    if (duty.rank == comm_.rank()) mine.push_back(duty.chunk);
  std::vector<Sum> sums;
  if (checks_later() && !duties.empty()) sums = relay(comm_, duties, split_);
  mpi::all_or_none(comm_, [&] {
    for (const Sum& sum : sums) {
      file_->check_sum(file_->chunks()[sum.chunk], sum.value);
      std::erase(mine, sum.chunk);
    }
    verify(mine);
  });
}

/// Collective. The ranks take runs of nearly equal bytes.
std::vector<Duty> FileLoad::duties_for_rest() {
  const std::vector<storage::ChunkRecord>& chunks = file_->chunks();
  Marks touched(chunks.size()), checked(chunks.size());
  for (const std::uint32_t chunk : list_.chunks) touched.set(chunk);
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) checked.set(chunk);
  touched.unite(comm_);
  checked.unite(comm_);
  std::vector<Duty> duties;
  std::uint64_t total = 0, before = 0;
  for (std::uint32_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (!touched.test(chunk) || checked.test(chunk)) continue;
    const std::uint64_t bytes = volume(chunks[chunk].box.extent) * size_of(file_->datasets()[chunks[chunk].dataset].dtype);
    duties.push_back({.chunk = chunk, .bytes = bytes});
    total += bytes;
  }
  for (Duty& duty : duties) {
    const double share = static_cast<double>(before) / static_cast<double>(std::max<std::uint64_t>(total, 1));
    duty.rank = std::min(static_cast<int>(share * comm_.size()), comm_.size() - 1);
    before += duty.bytes;
  }
  return duties;
}

/// Leaves in the page cache what is read next.
void FileLoad::verify(const std::vector<std::uint32_t>& chunks) {
  const auto page_cache = options_.verify_first ? storage::PageCache::fill : storage::PageCache::avoid;
  std::vector<Checksum> sums(chunks.size());
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const storage::ChunkRecord& chunk = file_->chunks()[chunks[i]];
    tasks.push_back({chunk.dataset, chunk.box, {}, &sums[i], page_cache, chunks[i]});
  }
  report_.read_bytes += carry_out(*file_, std::move(tasks), threads_);
  for (std::size_t i = 0; i < chunks.size(); ++i) file_->check_sum(file_->chunks()[chunks[i]], sums[i].value());
}

}  // namespace holdfast::load
