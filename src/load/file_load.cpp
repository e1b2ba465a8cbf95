#include "load/file_load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

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
  std::unordered_map<std::string_view, const plan::Item*> items;
  for (const plan::Item& item : targets_.local.items) items.emplace(item.name, &item);
  file_.emplace(path, [&](const plan::Dataset& dataset, int world_size) -> std::optional<storage::Interest> {
    const auto item = items.find(dataset.name);
    if (item == items.end()) return std::nullopt;
    return interest_of(*item->second, dataset, world_size, comm_.rank());
  });
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
  Placement placement(*file_, targets_, [this](const Read& read, const Part& part, Way way) { return treat(read, part, way); });
  for (const Read& read : list_.reads) placement.add(read);
  std::vector<Task> tasks = placement.finish();
  if (checks_later()) remember_split_chunks(tasks);
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

/// Those of which other ranks have the rest: their checksums are taken over what all have in memory (relay.hpp).
void FileLoad::remember_split_chunks(const std::vector<Task>& tasks) {
  for (const Task& task : tasks)
    if (task.sum == nullptr && stretch_in_chunk(task.chunk, task.box)) loaded_.emplace(task.chunk, task);
}

void FileLoad::check_sums() const {
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) file_->check_sum(file_->chunks()[chunk], sums_[chunk]->value());
}

/// What anybody touches and nobody has checked yet is checked by one rank, or by several together.
void FileLoad::verify_rest() {
  const Duties duties = share_checks(comm_, touched());
  mpi::all_or_none(comm_, [&] {
    for (const Sum& sum : duties.sums) file_->check_sum(chunk_of(sum.row), sum.value);
    verify(duties.rows);
  });
}

std::vector<Touched> FileLoad::touched() const {
  std::vector<Touched> touched;
  for (const std::uint32_t number : list_.chunks) {
    const storage::ChunkRecord& chunk = file_->chunks()[number];
    const auto loaded = loaded_.find(number);
    touched.push_back({.row = chunk.row,
                       .bytes = volume(chunk.box.extent) * size_of(file_->datasets()[chunk.dataset].dtype),
                       .is_checked = sums_[number] != nullptr});
    if (loaded == loaded_.end()) continue;
    touched.back().stretch = stretch_in_chunk(number, loaded->second.box);
    touched.back().memory = loaded->second.to;
  }
  return touched;
}

const storage::ChunkRecord& FileLoad::chunk_of(std::uint64_t row) const {
  return *std::ranges::lower_bound(file_->chunks(), row, {}, &storage::ChunkRecord::row);
}

/// Leaves in the page cache what is read next.
void FileLoad::verify(const std::vector<std::uint64_t>& rows) {
  const auto page_cache = options_.verify_first ? storage::PageCache::fill : storage::PageCache::avoid;
  std::vector<Checksum> sums(rows.size());
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const storage::ChunkRecord& chunk = chunk_of(rows[i]);
    tasks.push_back({.dataset = chunk.dataset, .box = chunk.box, .sum = &sums[i], .page_cache = page_cache});
  }
  report_.read_bytes += carry_out(*file_, std::move(tasks), threads_);
  for (std::size_t i = 0; i < rows.size(); ++i) file_->check_sum(chunk_of(rows[i]), sums[i].value());
}

}  // namespace holdfast::load
