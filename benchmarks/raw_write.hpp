#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "wrap/large_pages.hpp"

/// The limits that saves are measured against: one file written durably by nothing but the system's own calls.
namespace holdfast::benchmarks {

/// Memory that was touched and lies as an arena does, at a page and on large ones. Its bytes are the same everywhere.
class ArenaMemory {
 public:
  explicit ArenaMemory(std::uint64_t bytes);
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  Pages pages_;
  std::span<std::byte> bytes_;
};

/// O_DIRECT through io_uring, eight writes of 4 MiB under way, then fsync; over what is there, or into a new file.
/// `bytes` are whole pages, and so is `offset`. Throws std::system_error.
void write_by_io_uring(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes);
/// Collective over MPI_COMM_WORLD. MPI_File_write_at_all of each process's bytes into one file, and fsync.
void write_by_mpi_io(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes);

}  // namespace holdfast::benchmarks
