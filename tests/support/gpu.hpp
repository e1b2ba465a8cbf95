#pragma once

#include <cstddef>
#include <span>
#include <vector>

struct CUstream_st;

/// Memory and streams of a program that uses a GPU. gpu_runtime.cpp has them from the CUDA runtime, fake_gpu.cpp from
/// the stand-in of tests/support/fake_cuda, so that one test runs on both.
namespace holdfast::test {

enum class GpuKind { device, managed, pinned };

/// Number of devices.
[[nodiscard]] int gpus();

class GpuMemory {
 public:
  explicit GpuMemory(std::size_t bytes, GpuKind kind = GpuKind::device, int device = 0);
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// At once.
  void write(std::span<const std::byte> content);
  [[nodiscard]] std::vector<std::byte> read() const;

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
  GpuKind kind_;
  int device_;
};

/// A stream of the program that is in no order with the default stream.
class GpuStream {
 public:
  explicit GpuStream(int device = 0);
  ~GpuStream();
  GpuStream(const GpuStream&) = delete;
  GpuStream& operator=(const GpuStream&) = delete;

  [[nodiscard]] CUstream_st* get() const noexcept { return stream_; }
  /// Enqueues work that takes a while and then copies page-locked `content` into `memory`.
  void write_later(const GpuMemory& memory, const GpuMemory& content);
  void synchronize();

 private:
  CUstream_st* stream_ = nullptr;
  int device_;
};

/// The same in the legacy default stream of device 0.
void write_later_in_default_stream(const GpuMemory& memory, const GpuMemory& content);

}  // namespace holdfast::test
