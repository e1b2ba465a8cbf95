#include "load/shared_read.hpp"

#include <deque>
#include <map>
#include <memory>

#include "base/checksum.hpp"
#include "load/read_tasks.hpp"
#include "storage/format/extents.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi_send_queue.hpp"

namespace holdfast::load {
namespace {

/// Batches of slabs, of at most slab_bytes each, that a rank has in memory.
constexpr std::size_t most_batches = 4;

/// A slab that this rank has read.
struct OwnSlab {
  ScheduledSlab scheduled;
  std::byte* packed = nullptr;
};

/// One slab, or several small ones of at most slab_bytes together.
struct Batch {
  Bytes memory;
  std::deque<OwnSlab> slabs;  ///< slabs whose turn has not come
  mpi::SendQueue parts;       ///< parts of all its slabs, on their way to other ranks
};

std::uint64_t bytes_of(std::span<const SlabPart> parts, std::size_t element_bytes) {
  std::uint64_t elements = 0;
  for (const SlabPart& part : parts) elements += volume(part.box.extent);
  return elements * element_bytes;
}

class SharedReading {
 public:
  SharedReading(const mpi::Communicator& comm, const storage::Source& file, const std::vector<SharedChunk>& chunks,
                ReadSink& sink)
      : comm_(comm),
        file_(file),
        sink_(sink),
        schedule_(chunks, comm.rank(), SlabSchedule::Of::all),
        own_schedule_(chunks, comm.rank(), SlabSchedule::Of::own_reads),
        readers_(file) {}

  SharedReadResult run();

 private:
  void read_ahead();
  void add_batch(std::vector<ReadTask>& tasks);
  [[nodiscard]] ReadTask task_of(const OwnSlab& slab);
  void send_parts(const OwnSlab& slab, mpi::SendQueue& queue);
  [[nodiscard]] Bytes packed(const OwnSlab& slab, std::span<const SlabPart> parts) const;
  void take_own();
  void add_to_sum(const OwnSlab& slab);
  void receive(const ScheduledSlab& scheduled);

  [[nodiscard]] std::size_t in_memory() const { return ahead_.size() + leaving_.size(); }
  [[nodiscard]] std::uint32_t dataset_of(const ScheduledSlab& scheduled) const {
    return file_.chunks()[scheduled.chunk->number].dataset;
  }
  [[nodiscard]] std::size_t element_bytes(const ScheduledSlab& scheduled) const {
    return size_of(file_.datasets()[dataset_of(scheduled)].dtype);
  }
  [[nodiscard]] StridedMemory memory_of(const OwnSlab& slab, const Box& part) const;

  const mpi::Communicator& comm_;
  const storage::Source& file_;
  ReadSink& sink_;
  SlabSchedule schedule_, own_schedule_;
  std::optional<ScheduledSlab> next_own_ = own_schedule_.next();  ///< next slab to read
  BoxReaders readers_;
  std::deque<Batch> ahead_;    ///< batches with slabs whose turn has not come
  std::deque<Batch> leaving_;  ///< other batches, until their parts have been taken
  std::vector<Bytes> spare_;
  std::map<std::uint32_t, Checksum> unfinished_;  ///< checksums by number of the chunk
  mpi::SendQueue sums_{comm_, subject::sum};
  Bytes received_;
  mpi::LocalWork work_;
  SharedReadResult result_;
};

SharedReadResult SharedReading::run() {
  while (const std::optional<ScheduledSlab> scheduled = schedule_.next()) {
    read_ahead();
    if (scheduled->reader() == comm_.rank())
      take_own();
    else
      receive(*scheduled);
  }
  for (Batch& batch : leaving_) batch.parts.finish();
  sums_.finish();
  result_.failure = work_.error();
  result_.bytes_read = readers_.bytes_read();
  return std::move(result_);
}

/// Reads several batches at a time, so that a disk has enough to do.
void SharedReading::read_ahead() {
  for (; !leaving_.empty() && leaving_.front().parts.all_taken(); leaving_.pop_front())
    spare_.push_back(std::move(leaving_.front().memory));
  if (!ahead_.empty() && in_memory() > most_batches / 2) return;
  const std::size_t old = ahead_.size();
  std::vector<ReadTask> tasks;
  while (next_own_ && in_memory() < most_batches) add_batch(tasks);
  work_([&] {
    for (const ReadTask& task : tasks) readers_.add(task);
    readers_.run();
  });
  for (std::size_t i = old; i < ahead_.size(); ++i)
    for (const OwnSlab& slab : ahead_[i].slabs) send_parts(slab, ahead_[i].parts);
}

void SharedReading::add_batch(std::vector<ReadTask>& tasks) {
  Batch& batch = ahead_.emplace_back(Batch{{}, {}, {comm_, subject::part}});
  if (!spare_.empty()) {
    batch.memory = std::move(spare_.back());
    spare_.pop_back();
  }
  std::uint64_t bytes = 0;
  for (; next_own_ && bytes + next_own_->slab.bytes <= slab_bytes; next_own_ = own_schedule_.next()) {
    bytes += next_own_->slab.bytes;
    batch.slabs.push_back({*std::move(next_own_)});
  }
  if (batch.memory.size() < bytes) batch.memory.resize(bytes);
  std::byte* packed = batch.memory.data();
  for (OwnSlab& slab : batch.slabs) {
    slab.packed = packed;
    packed += slab.scheduled.slab.bytes;
    tasks.push_back(task_of(slab));
  }
}

/// The checksum of a chunk with one reader is taken while reading. Between the rows of a chunk that was saved by
/// columns lie rows of other chunks, which are read later: such blocks are left in the page cache.
ReadTask SharedReading::task_of(const OwnSlab& slab) {
  ReadTask task{.dataset = dataset_of(slab.scheduled), .box = &slab.scheduled.slab.box};
  task.to = packed_memory(slab.packed, *task.box, element_bytes(slab.scheduled));
  if (slab.scheduled.chunk->readers.size() == 1) task.sum = &unfinished_[slab.scheduled.chunk->number];
  const storage::Placed dataset{file_.datasets()[task.dataset], file_.position_of(task.dataset)};
  task.page_cache = dataset.is_contiguous(file_.chunks()[slab.scheduled.chunk->number].box) ? storage::PageCache::avoid
                                                                                            : storage::PageCache::fill;
  return task;
}

/// Each rank gets its parts in one message. Ranks that want the same boxes, as replicas do, get the same message, which
/// is in memory once.
void SharedReading::send_parts(const OwnSlab& slab, mpi::SendQueue& queue) {
  std::map<std::vector<Box>, std::shared_ptr<const Bytes>> messages;
  for (std::span<const SlabPart> left = slab.scheduled.parts; !left.empty();) {
    const int rank = left.front().rank;
    const std::span<const SlabPart> parts = slab.scheduled.parts_of(rank);
    left = left.subspan(parts.size());
    if (rank == comm_.rank()) continue;
    std::vector<Box> boxes;
    for (const SlabPart& part : parts) boxes.push_back(part.box);
    std::shared_ptr<const Bytes>& message = messages[std::move(boxes)];
    if (!message) message = std::make_shared<const Bytes>(packed(slab, parts));
    queue.send(rank, message);
  }
}

/// The parts one after the other, each packed.
Bytes SharedReading::packed(const OwnSlab& slab, std::span<const SlabPart> parts) const {
  Bytes bytes(bytes_of(parts, element_bytes(slab.scheduled)));
  std::byte* next = bytes.data();
  for (const SlabPart& part : parts) {
    const StridedMemory memory = memory_of(slab, part.box);
    pack(memory, next);
    next += packed_bytes(memory);
  }
  return bytes;
}

StridedMemory SharedReading::memory_of(const OwnSlab& slab, const Box& part) const {
  const Box& box = slab.scheduled.slab.box;
  return part_of(packed_memory(slab.packed, box, element_bytes(slab.scheduled)), relative(part, box.offset));
}

void SharedReading::take_own() {
  if (ahead_.empty()) {
    leaving_.front().parts.finish();
    read_ahead();
  }
  Batch& batch = ahead_.front();
  const OwnSlab slab = std::move(batch.slabs.front());
  batch.slabs.pop_front();
  const std::uint32_t number = slab.scheduled.chunk->number;
  const bool is_sole_reader = slab.scheduled.chunk->readers.size() == 1;
  if (!is_sole_reader) add_to_sum(slab);
  if (slab.scheduled.is_last()) result_.sums.push_back({slab.scheduled.chunk->row, unfinished_.at(number).value()});
  if (slab.scheduled.is_last() || !is_sole_reader) unfinished_.erase(number);
  work_([&] {
    for (const SlabPart& part : slab.scheduled.parts_of(comm_.rank()))
      sink_.put(number, part.number, part.box, memory_of(slab, part.box));
  });
  if (!batch.slabs.empty()) return;
  leaving_.push_back(std::move(batch));
  ahead_.pop_front();
}

void SharedReading::add_to_sum(const OwnSlab& slab) {
  const ScheduledSlab& scheduled = slab.scheduled;
  Checksum& sum = unfinished_[scheduled.chunk->number];
  if (scheduled.place > 0)
    sum.resume(
        mpi::receive(comm_, scheduled.chunk->reader_of(scheduled.place - 1), subject::sum, Checksum::state_bytes));
  sum.update({slab.packed, scheduled.slab.bytes});
  if (!scheduled.is_last()) sums_.send(scheduled.chunk->reader_of(scheduled.place + 1), sum.state());
}

void SharedReading::receive(const ScheduledSlab& scheduled) {
  const std::span<const SlabPart> parts = scheduled.parts_of(comm_.rank());
  const std::size_t element = element_bytes(scheduled);
  const std::uint64_t bytes = bytes_of(parts, element);
  if (received_.size() < bytes) received_.resize(bytes);
  mpi::receive(comm_, scheduled.reader(), subject::part, std::span(received_).first(bytes));
  work_([&] {
    std::byte* next = received_.data();
    for (const SlabPart& part : parts) {
      sink_.put(scheduled.chunk->number, part.number, part.box, packed_memory(next, part.box, element));
      next += volume(part.box.extent) * element;
    }
  });
}

}  // namespace

SharedReadResult shared_read(const mpi::Communicator& comm, const storage::Source& file,
                             const std::vector<SharedChunk>& chunks, ReadSink& sink) {
  if (chunks.empty()) return {};
  return SharedReading(comm, file, chunks, sink).run();
}

}  // namespace holdfast::load
