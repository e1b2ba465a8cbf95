#include "storage/fetch.hpp"

#include <algorithm>
#include <array>

#include "base/error_text.hpp"
#include "storage/extents.hpp"

namespace holdfast::storage {
namespace {

/// So that a box of many short runs takes little memory.
constexpr std::size_t most_pieces = 4096;

/// A box of a dataset as strided "memory" that begins at address 0: its distances are those in the file.
StridedMemory in_file(const plan::Dataset& dataset, const Box& box) {
  const auto element = static_cast<std::int64_t>(element_bytes(dataset));
  StridedMemory memory{.data = nullptr, .extent = box.extent, .stride_bytes = packed_strides(dataset.global)};
  memory.element_bytes = static_cast<std::size_t>(element);
  for (std::int64_t& stride : memory.stride_bytes) stride *= element;
  return memory;
}

/// The trailing dimensions of a box that are contiguous both in the file and in memory, as one run; the others in loops.
class CommonRuns {
 public:
  CommonRuns(const StridedMemory& file, const StridedMemory& memory) : file_(file), memory_(memory), loops_(file.extent.size()) {
    bytes_ = file.element_bytes;
    while (loops_ > 0 && is_contiguous(loops_ - 1)) bytes_ *= file_.extent[--loops_];
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  /// Calls visit(distance in the file, distance in memory) for each run, in row-major order.
  template <class Visit>
  void for_each(Visit visit) const {
    std::array<std::uint64_t, max_dimensions> position{};
    std::int64_t in_file = 0, in_memory = 0;
    while (true) {
      visit(in_file, in_memory);
      std::size_t at = loops_;
      for (; at > 0; --at) {
        const std::uint64_t count = file_.extent[at - 1];
        if (++position[at - 1] < count) break;
        step(at - 1, 1 - static_cast<std::int64_t>(count), in_file, in_memory);
        position[at - 1] = 0;
      }
      if (at == 0) return;
      step(at - 1, 1, in_file, in_memory);
    }
  }

 private:
  [[nodiscard]] bool is_contiguous(std::size_t dimension) const {
    const auto follows = [&](const StridedMemory& memory) {
      return memory.stride_bytes[dimension] == static_cast<std::int64_t>(bytes_);
    };
    return file_.extent[dimension] == 1 || (follows(file_) && (memory_.data == nullptr || follows(memory_)));
  }
  void step(std::size_t dimension, std::int64_t count, std::int64_t& in_file, std::int64_t& in_memory) const {
    in_file += count * file_.stride_bytes[dimension];
    if (memory_.data != nullptr) in_memory += count * memory_.stride_bytes[dimension];
  }

  const StridedMemory& file_;
  const StridedMemory& memory_;
  std::size_t loops_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Fetch::Fetch(const CheckpointReader& file, PageCache page_cache) : file_(file), reader_(file.source(), page_cache) {}

void Fetch::add(std::uint32_t index, const Box& box, const StridedMemory& to, Checksum* sum) {
  const plan::Dataset& dataset = file_.datasets().at(index);
  const std::uint64_t offset = Placed{dataset, file_.address_of(index)}.offset_of(box.offset);
  const StridedMemory file = in_file(dataset, box);
  const CommonRuns runs(file, to);
  runs.for_each([&](std::int64_t in_file, std::int64_t in_memory) {
    if (pieces_.size() >= most_pieces) run();
    pieces_.push_back({.offset = offset + static_cast<std::uint64_t>(in_file),
                       .bytes = runs.bytes(),
                       .to = to.data == nullptr ? nullptr : to.data + in_memory,
                       .sum = sum});
  });
}

void Fetch::run() {
  std::vector<Piece> pieces = std::move(pieces_);
  pieces_.clear();
  std::ranges::stable_sort(pieces, {}, &Piece::offset);
  try {
    reader_.read(pieces);
  } catch (...) {
    throw current_error(
        {.rank = -1, .host = host_name(), .path = file_.info().path.string(), .tensor = file_.dataset_at(reader_.failed_at())});
  }
}

}  // namespace holdfast::storage
