#include "load/exchange.hpp"

#include <deque>
#include <map>
#include <memory>

#include "base/checksum.hpp"
#include "load/tasks.hpp"
#include "storage/extents.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi_outbox.hpp"

namespace holdfast::load {
namespace {

/// How many batches of slabs, of slab_bytes each, a rank has in memory.
constexpr std::size_t most_batches = 4;

/// A slab that this rank has read.
struct OwnSlab {
  Turn turn;
  std::byte* packed = nullptr;
};

/// One, or as many small ones as have its size together.
struct Batch {
  Bytes memory;
  std::deque<OwnSlab> slabs;  ///< whose turn has not come
  mpi::Outbox parts;          ///< of all
};

Bytes packed(const StridedMemory& memory) {
  Bytes bytes(packed_bytes(memory));
  pack(memory, bytes.data());
  return bytes;
}

class Exchange {
 public:
  Exchange(const mpi::Communicator& comm, const storage::CheckpointReader& file, const std::vector<SharedChunk>& chunks,
           Placement& placement)
      : comm_(comm),
        file_(file),
        placement_(placement),
        turns_(chunks, comm.rank(), Turns::Of::all),
        own_turns_(chunks, comm.rank(), Turns::Of::own_reads),
        fetches_(file) {}

  Exchanged run();

 private:
  void read_ahead();
  void add_batch(std::vector<Task>& tasks);
  [[nodiscard]] Task task_of(const OwnSlab& slab);
  void send_parts(const OwnSlab& slab, mpi::Outbox& outbox);
  void take_own();
  void add_to_sum(const OwnSlab& slab);
  void receive(const Turn& turn);

  [[nodiscard]] std::size_t in_memory() const { return ahead_.size() + leaving_.size(); }
  [[nodiscard]] std::uint32_t dataset_of(const Turn& turn) const { return file_.chunks()[turn.chunk->number].dataset; }
  [[nodiscard]] std::size_t element_bytes(const Turn& turn) const { return size_of(file_.datasets()[dataset_of(turn)].dtype); }
  [[nodiscard]] StridedMemory memory_of(const OwnSlab& slab, const Box& part) const;

  const mpi::Communicator& comm_;
  const storage::CheckpointReader& file_;
  Placement& placement_;
  Turns turns_, own_turns_;
  std::optional<Turn> next_own_ = own_turns_.next();  ///< to be read
  Fetches fetches_;
  std::deque<Batch> ahead_;    ///< read, some of whose turns have not come
  std::deque<Batch> leaving_;  ///< the others, some of whose parts have not been taken
  std::vector<Bytes> spare_;
  std::map<std::uint32_t, Checksum> unfinished_;  ///< by the chunk's number
  mpi::Outbox sums_{comm_, subject::sum};
  Bytes received_;
  mpi::LocalWork work_;
  Exchanged result_;
};

Exchanged Exchange::run() {
  while (const std::optional<Turn> turn = turns_.next()) {
    read_ahead();
    if (turn->reader() == comm_.rank())
      take_own();
    else
      receive(*turn);
  }
  for (Batch& batch : leaving_) batch.parts.finish();
  sums_.finish();
  result_.failure = work_.error();
  result_.bytes_read = fetches_.bytes_read();
  return std::move(result_);
}

/// Several batches at a time, so that a disk has enough to do.
void Exchange::read_ahead() {
  for (; !leaving_.empty() && leaving_.front().parts.all_taken(); leaving_.pop_front())
    spare_.push_back(std::move(leaving_.front().memory));
  if (!ahead_.empty() && in_memory() > most_batches / 2) return;
  const std::size_t old = ahead_.size();
  std::vector<Task> tasks;
  while (next_own_ && in_memory() < most_batches) add_batch(tasks);
  work_([&] {
    for (const Task& task : tasks) fetches_.add(task);
    fetches_.run();
  });
  for (std::size_t i = old; i < ahead_.size(); ++i)
    for (const OwnSlab& slab : ahead_[i].slabs) send_parts(slab, ahead_[i].parts);
}

void Exchange::add_batch(std::vector<Task>& tasks) {
  Batch& batch = ahead_.emplace_back(Batch{{}, {}, {comm_, subject::part}});
  if (!spare_.empty()) {
    batch.memory = std::move(spare_.back());
    spare_.pop_back();
  }
  std::uint64_t bytes = 0;
  for (; next_own_ && bytes + next_own_->slab.bytes <= slab_bytes; next_own_ = own_turns_.next()) {
    bytes += next_own_->slab.bytes;
    batch.slabs.push_back({*std::move(next_own_)});
  }
  if (batch.memory.size() < bytes) batch.memory.resize(bytes);
  std::byte* packed = batch.memory.data();
  for (OwnSlab& slab : batch.slabs) {
    slab.packed = packed;
    packed += slab.turn.slab.bytes;
    tasks.push_back(task_of(slab));
  }
}

/// Where a chunk has no other reader, its checksum is taken on the way. Between rows of one that was saved by columns lie those
/// of other chunks, whose turn comes.
Task Exchange::task_of(const OwnSlab& slab) {
  Task task{.dataset = dataset_of(slab.turn), .box = &slab.turn.slab.box};
  task.to = packed_memory(slab.packed, *task.box, element_bytes(slab.turn));
  if (slab.turn.chunk->readers.size() == 1) task.sum = &unfinished_[slab.turn.chunk->number];
  const storage::Placed dataset{file_.datasets()[task.dataset], file_.address_of(task.dataset)};
  task.page_cache =
      dataset.is_contiguous(file_.chunks()[slab.turn.chunk->number].box) ? storage::PageCache::avoid : storage::PageCache::fill;
  return task;
}

/// Ranks that want the same, as replicas do, get the same message, which is in memory once.
void Exchange::send_parts(const OwnSlab& slab, mpi::Outbox& outbox) {
  std::map<Box, std::shared_ptr<const Bytes>> messages;
  for (const Want& want : slab.turn.chunk->wants) {
    const auto part = intersect(want.box, slab.turn.slab.box);
    if (!part || want.rank == comm_.rank()) continue;
    std::shared_ptr<const Bytes>& message = messages[*part];
    if (!message) message = std::make_shared<const Bytes>(packed(memory_of(slab, *part)));
    outbox.send(want.rank, message);
  }
}

StridedMemory Exchange::memory_of(const OwnSlab& slab, const Box& part) const {
  const Box& box = slab.turn.slab.box;
  return part_of(packed_memory(slab.packed, box, element_bytes(slab.turn)), relative(part, box.offset));
}

void Exchange::take_own() {
  if (ahead_.empty()) {
    leaving_.front().parts.finish();
    read_ahead();
  }
  Batch& batch = ahead_.front();
  const OwnSlab slab = std::move(batch.slabs.front());
  batch.slabs.pop_front();
  const std::uint32_t number = slab.turn.chunk->number;
  const bool is_sole_reader = slab.turn.chunk->readers.size() == 1;
  if (!is_sole_reader) add_to_sum(slab);
  if (slab.turn.is_last()) result_.sums.push_back({slab.turn.chunk->row, unfinished_.at(number).value()});
  if (slab.turn.is_last() || !is_sole_reader) unfinished_.erase(number);
  if (const auto part = slab.turn.part_of(comm_.rank())) work_([&] { placement_.put(number, *part, memory_of(slab, *part)); });
  if (!batch.slabs.empty()) return;
  leaving_.push_back(std::move(batch));
  ahead_.pop_front();
}

void Exchange::add_to_sum(const OwnSlab& slab) {
  const Turn& turn = slab.turn;
  Checksum& sum = unfinished_[turn.chunk->number];
  if (turn.place > 0) sum.resume(mpi::receive(comm_, turn.chunk->reader_of(turn.place - 1), subject::sum, Checksum::state_bytes));
  sum.update({slab.packed, turn.slab.bytes});
  if (!turn.is_last()) sums_.send(turn.chunk->reader_of(turn.place + 1), sum.state());
}

void Exchange::receive(const Turn& turn) {
  const Box part = *turn.part_of(comm_.rank());
  const std::uint64_t bytes = volume(part.extent) * element_bytes(turn);
  if (received_.size() < bytes) received_.resize(bytes);
  mpi::receive(comm_, turn.reader(), subject::part, std::span(received_).first(bytes));
  work_([&] { placement_.put(turn.chunk->number, part, packed_memory(received_.data(), part, element_bytes(turn))); });
}

}  // namespace

Exchanged exchange(const mpi::Communicator& comm, const storage::CheckpointReader& file, const std::vector<SharedChunk>& chunks,
                   Placement& placement) {
  if (chunks.empty()) return {};
  return Exchange(comm, file, chunks, placement).run();
}

}  // namespace holdfast::load
