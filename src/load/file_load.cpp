#include "load/file_load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "load/same_file.hpp"
#include "stage/places.hpp"
#include "storage/extents.hpp"

namespace holdfast::load {
namespace {

/// For the program's own work on its stream.
constexpr Seconds stream_timeout{600};

constexpr char part_is_an_option[] = "; with LoadOptions::strict = false, what both have is loaded";

/// Some of them, where they are many.
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
  if (options_.verify) orders_ = agree_on_reading(comm_, offers());
  if (options_.verify && !checks_on_the_way()) mpi::all_or_none(comm_, [&] { verify_all(std::exchange(orders_, {})); });
  is_writing_ = true;
  read();
  return report_;
}

std::set<std::string> FileLoad::overwritten() const {
  std::set<std::string> names;
  if (!is_writing_) return names;
  for (const Read& read : list_.reads) names.insert(targets_.local.items[read.item].name);
  return names;
}

void FileLoad::open(const std::filesystem::path& path) {
  const std::vector<plan::Item>& items = targets_.local.items;
  file_.emplace(path, [&](std::span<const plan::Dataset> datasets, const plan::Names& names, int world_size) {
    storage::Interests interests(datasets.size());
    for (const plan::Item& item : items)
      if (const auto dataset = names.find(item.name))
        interests[*dataset] = interest_of(item, datasets[*dataset], world_size, comm_.rank());
    return interests;
  });
  const Saved saved{file_->datasets(), file_->names(), file_->chunks(), file_->info().world_size};
  list_ = reshard(items, saved, comm_.rank(), options_);
  sums_.resize(file_->chunks().size());
  report_.step = file_->info().step;
  report_.sequence = file_->info().sequence;
  report_.path = path.string();
  report_.saved_by_ranks = file_->info().world_size;
  if (options_.strict && !list_.missing.empty())
    throw Error(ErrorCode::not_found, fmt::format("not in the checkpoint: {}{}", listed(list_.missing), part_is_an_option),
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
                fmt::format("in the checkpoint, but not in the state dict of any rank: {}{}", listed(report_.unexpected),
                            part_is_an_option),
                {.path = report_.path, .tensor = report_.unexpected.front()});
  for (std::size_t dataset = 0; dataset < file_->datasets().size(); ++dataset)
    if (used.test(dataset) && plan::is_per_rank_kind(file_->datasets()[dataset].kind))
      return check_world(file_->datasets()[dataset].name);
}

/// Per-rank values, such as that of this name, go from rank to rank.
void FileLoad::check_world(const std::string& name) {
  const int saved = report_.saved_by_ranks, now = comm_.size();
  report_.per_rank_left_out = std::max(0, saved - now);
  report_.per_rank_doubled = std::max(0, now - saved);
  if (options_.exact_per_rank && saved != now)
    throw Error(ErrorCode::mismatch,
                fmt::format("a per-rank value that {} ranks saved cannot go to {} ranks one by one (LoadOptions::exact_per_rank)",
                            saved, now),
                {.path = report_.path, .tensor = name});
}

/// What a rank alone checks for itself concerns nobody.
std::vector<Offer> FileLoad::offers() const {
  std::vector<Offer> offers;
  for (const Read& read : list_.reads)
    for (const Part& part : read.parts)
      if (comm_.size() > 1 || !is_checked_on_the_way(part)) offers.push_back(offer(read, part));
  return offers;
}

/// Where all is verified first, nothing is by being read.
bool FileLoad::is_checked_on_the_way(const Part& part) const {
  return checks_on_the_way() && part.box == file_->chunks()[part.chunk].box;
}

Offer FileLoad::offer(const Read& read, const Part& part) const {
  const storage::ChunkRecord& chunk = file_->chunks()[part.chunk];
  Offer offer{.row = chunk.row, .address = address_of(chunk), .bytes = volume(chunk.box.extent) * element_bytes(chunk)};
  offer.is_checked = is_checked_on_the_way(part);
  if (offer.is_checked) return offer;
  offer.part = part.box;
  const DType saved = file_->datasets()[chunk.dataset].dtype, wanted = targets_.local.items[read.item].dtype;
  if (checks_on_the_way() && is_direct(targets_.places[read.item], saved, wanted))
    offer.stretch = stretch_of(part.box, chunk.box, size_of(saved)).value_or(Stretch{});
  return offer;
}

/// Each chunk that anybody touches is checked by one of those, and left in the page cache for what is read next.
void FileLoad::verify_all(const Orders& orders) {
  std::vector<Task> tasks;
  for (const Shared& shared : orders.shared) {
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
  for (const Shared& shared : orders_.shared) shared_.insert(number_of(shared.row));
  Placement placement(*file_, targets_, [this](const Read& read, const Part& part) { return treat(read, part); });
  mpi::all_or_none(comm_, [&] { read_own(placement); });
  if (checks_on_the_way()) read_shared(placement);
  report_.bytes = placement.bytes();
}

void FileLoad::read_own(Placement& placement) {
  stage::await(targets_.places, options_.stream, Deadline(stream_timeout));
  for (const Read& read : list_.reads) placement.add(read);
  if (checks_on_the_way()) remember_stretches(placement.tasks());
  report_.read_bytes += carry_out(*file_, placement.tasks(), threads_) + placement.bytes_read();
  placement.finish();
  check_own_sums();
}

/// A chunk that is read as a whole is checked on the way, unless all were checked before. What several ranks read is left in the
/// page cache.
std::optional<Treatment> FileLoad::treat(const Read& read, const Part& part) {
  if (shared_.contains(part.chunk)) return std::nullopt;
  const bool is_replica = comm_.size() > 1 && read.box == whole(file_->datasets()[read.dataset].global);
  Treatment treatment{.page_cache = is_replica ? storage::PageCache::fill : storage::PageCache::avoid};
  if (is_checked_on_the_way(part)) {
    sums_[part.chunk] = std::make_unique<Checksum>();
    treatment.sum = sums_[part.chunk].get();
  }
  return treatment;
}

/// Those of which other ranks have the rest: their checksums are taken over what all have in memory (relay.hpp).
void FileLoad::remember_stretches(std::span<const Task> tasks) {
  for (const Task& task : tasks) {
    const storage::ChunkRecord& chunk = file_->chunks()[task.chunk];
    if (task.sum != nullptr) continue;
    if (const auto stretch = stretch_of(*task.box, chunk.box, element_bytes(chunk)))
      loaded_.emplace(chunk.row, Loaded{*stretch, task.to});
  }
}

void FileLoad::read_shared(Placement& placement) {
  const Exchanged exchanged = exchange(comm_, *file_, shared_chunks(), placement);
  report_.read_bytes += exchanged.bytes_read;
  mpi::all_or_none(comm_, [&] {
    if (exchanged.failure) throw Error(*exchanged.failure);
    placement.finish();
  });
  const std::vector<Sum> relayed = relay(comm_, orders_.links, loaded_);
  mpi::all_or_none(comm_, [&] {
    for (const std::vector<Sum>& sums : {exchanged.sums, relayed})
      for (const Sum& sum : sums) file_->check_sum(file_->chunks()[number_of(sum.row)], sum.value);
  });
}

std::vector<SharedChunk> FileLoad::shared_chunks() const {
  std::vector<SharedChunk> chunks;
  for (const Shared& shared : orders_.shared) {
    const std::uint32_t number = number_of(shared.row);
    const storage::ChunkRecord& chunk = file_->chunks()[number];
    chunks.push_back(
        {number, chunk.row, address_of(chunk), Slabs(chunk.box, element_bytes(chunk), slab_bytes), shared.readers, shared.wants});
  }
  return chunks;
}

void FileLoad::check_own_sums() const {
  for (std::size_t chunk = 0; chunk < sums_.size(); ++chunk)
    if (sums_[chunk]) file_->check_sum(file_->chunks()[chunk], sums_[chunk]->value());
}

std::uint32_t FileLoad::number_of(std::uint64_t row) const {
  const auto& chunks = file_->chunks();
  return static_cast<std::uint32_t>(std::ranges::lower_bound(chunks, row, {}, &storage::ChunkRecord::row) - chunks.begin());
}

std::uint64_t FileLoad::address_of(const storage::ChunkRecord& chunk) const {
  return storage::Placed{file_->datasets()[chunk.dataset], file_->address_of(chunk.dataset)}.offset_of(chunk.box.offset);
}

std::size_t FileLoad::element_bytes(const storage::ChunkRecord& chunk) const {
  return size_of(file_->datasets()[chunk.dataset].dtype);
}

}  // namespace holdfast::load
