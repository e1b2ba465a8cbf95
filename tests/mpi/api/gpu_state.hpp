#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <holdfast/checkpointer.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "support/gpu.hpp"
#include "support/mpi_fixture.hpp"

namespace holdfast::test {

/// A program's state with something in every kind of memory, all of it filled with one number. Even ranks have their
/// part of the sharded tensors on a device, odd ones too, but the last rank of several has "mixed" in host memory.
class GpuState {
 public:
  GpuState() {
    const Shape global = {rows * ranks_, columns}, offset = {rows * rank_, 0}, extent = {rows, columns};
    state_.add("weight", weight_view(weight_.data(), DType::f32));
    state_.add("managed", shard(managed_.data(), DType::f32, {.global = global, .offset = offset, .extent = extent}));
    state_.add("pinned", shard(pinned_.data(), DType::f32, {.global = global, .offset = offset, .extent = extent}));
    state_.add("inner", shard(ghosts_.data() + (columns + 3) * sizeof(float), DType::f32,
                              {.global = {(rows - 2) * ranks_, columns},
                               .offset = {(rows - 2) * rank_, 0},
                               .extent = {rows - 2, columns},
                               .stride = {static_cast<std::int64_t>(columns + 2), 1}}));
    void* const mixed = on_host_ ? static_cast<void*>(host_.data()) : mixed_.data();
    state_.add("mixed", shard(mixed, DType::f32, {.global = global, .offset = offset, .extent = extent}));
    for (std::size_t i = 0; i < small; ++i)
      state_.add("small/" + std::to_string(i),
                 replicated(static_cast<void*>(small_.data() + i * 400), DType::f32, {100}));
    state_.add("step", step_);
  }

  [[nodiscard]] StateDict& state() { return state_; }
  [[nodiscard]] int device() const { return device_; }
  [[nodiscard]] std::byte* weight() const { return weight_.data(); }
  [[nodiscard]] std::size_t weight_floats() const { return rows * columns; }
  template <class T>
  [[nodiscard]] TensorView weight_view(T* memory, DType dtype) const {
    return shard(static_cast<void*>(memory), dtype,
                 {.global = {rows * ranks_, columns}, .offset = {rows * rank_, 0}, .extent = {rows, columns}});
  }

  void fill(std::int64_t number) {
    for (GpuMemory* memory : all()) memory->write(content(memory->bytes(), number));
    std::ranges::fill(host_, static_cast<float>(number));
    step_ = number;
  }
  /// Enqueues it for "weight". The stream may still be reading what was given to it the last time, but nothing older.
  void fill_later(std::int64_t number, GpuStream& stream) {
    std::swap(later_[0], later_[1]);
    later_[0]->write(content(later_[0]->bytes(), number));
    stream.write_later(weight_, *later_[0]);
  }
  void expect(std::int64_t number) {
    for (GpuMemory* memory : all())
      if (memory != &ghosts_ && !(on_host_ && memory == &mixed_)) {
        EXPECT_EQ(memory->read(), content(memory->bytes(), number));
      }
    if (on_host_) {
      EXPECT_EQ(host_, std::vector<float>(rows * columns, static_cast<float>(number)));
    }
    EXPECT_EQ(step_, number);
  }
  /// This rank's columns of "weight", of which each saved rows.
  [[nodiscard]] TensorView weight_columns(void* memory, DType dtype) const {
    const std::uint64_t begin = rank_ * columns / ranks_, end = (rank_ + 1) * columns / ranks_;
    return shard(memory, dtype,
                 {.global = {rows * ranks_, columns}, .offset = {0, begin}, .extent = {rows * ranks_, end - begin}});
  }
  void expect_weight(std::int64_t number) const { EXPECT_EQ(weight_.read(), content(weight_.bytes(), number)); }

 private:
  static constexpr std::uint64_t rows = 1000, columns = 1500;  // 6 MB: more than one copy engine's small change
  static constexpr std::size_t small = 50;

  std::vector<GpuMemory*> all() { return {&weight_, &managed_, &pinned_, &ghosts_, &mixed_, &small_}; }
  static std::vector<std::byte> content(std::size_t bytes, std::int64_t number) {
    const std::vector<float> numbers(bytes / sizeof(float), static_cast<float>(number));
    const auto raw = std::as_bytes(std::span(numbers));
    return {raw.begin(), raw.end()};
  }

  const std::uint64_t rank_ = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  const int device_ = static_cast<int>(rank_) % gpus();
  const bool on_host_ = ranks_ > 1 && rank_ == ranks_ - 1;
  GpuMemory weight_{rows * columns * 4, GpuKind::device, device_};
  GpuMemory managed_{rows * columns * 4, GpuKind::managed, device_};
  GpuMemory pinned_{rows * columns * 4, GpuKind::pinned, device_};
  GpuMemory ghosts_{rows * (columns + 2) * 4, GpuKind::device, device_};
  GpuMemory mixed_{rows * columns * 4, GpuKind::device, device_};
  GpuMemory small_{small * 400, GpuKind::device, device_};
  std::array<std::unique_ptr<GpuMemory>, 2> later_ = {
      std::make_unique<GpuMemory>(rows * columns * 4, GpuKind::pinned, device_),
      std::make_unique<GpuMemory>(rows* columns * 4, GpuKind::pinned, device_)};
  std::vector<float> host_ = std::vector<float>(rows * columns);
  std::int64_t step_ = 0;
  StateDict state_;
};

}  // namespace holdfast::test
