#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

/// The limits that saves are measured against: one file written durably by nothing but the system's own calls.
namespace holdfast::benchmarks {

/// Memory that was touched, at a page. Its bytes are the same everywhere.
class PageAlignedMemory {
 public:
  explicit PageAlignedMemory(std::uint64_t bytes);
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {memory_.get(), bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::uint64_t bytes_ = 0;
};

/// O_DIRECT through io_uring, eight writes of 4 MiB under way, then fsync; over what is there, or into a new file. `bytes` are
/// whole pages, and so is `offset`. Throws std::system_error.
void write_by_io_uring(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes);
/// Collective over MPI_COMM_WORLD. MPI_File_write_at_all of each process's bytes into one file, and fsync.
void write_by_mpi_io(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes);

}  // namespace holdfast::benchmarks
