#include "raw_write.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/unique_handle.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t block_bytes = 4 << 20;
constexpr unsigned depth = 8;

void require(bool good, const char* call, int number) {
  if (!good) throw std::system_error(number, std::generic_category(), call);
}

void reap(io_uring& ring) {
  io_uring_cqe* completion = nullptr;
  const int status = io_uring_wait_cqe(&ring, &completion);
  require(status == 0, "io_uring_wait_cqe", -status);
  const int result = completion->res;
  io_uring_cqe_seen(&ring, completion);
  require(result > 0, "io_uring write", -result);
}

}  // namespace

ArenaMemory::ArenaMemory(std::uint64_t bytes) : pages_(Pages::allocate(bytes)), bytes_(pages_.bytes().first(bytes)) {
  std::memset(bytes_.data(), 1, bytes);
}

void write_by_io_uring(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
  require(static_cast<bool>(file), "open", errno);
  io_uring ring{};
  const int status = io_uring_queue_init(depth, &ring, 0);
  require(status == 0, "io_uring_queue_init", -status);
  unsigned under_way = 0;
  for (std::uint64_t done = 0; done < bytes.size(); done += block_bytes) {
    if (under_way == depth) reap(ring), --under_way;
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    const auto count = static_cast<unsigned>(std::min(block_bytes, bytes.size() - done));
    io_uring_prep_write(entry, file.get(), bytes.data() + done, count, offset + done);
    require(io_uring_submit(&ring) == 1, "io_uring_submit", EIO);
    ++under_way;
  }
  for (; under_way > 0; --under_way) reap(ring);
  io_uring_queue_exit(&ring);
  require(::fsync(file.get()) == 0, "fsync", errno);
}

void write_by_mpi_io(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  constexpr std::uint64_t most = 512 << 20;  // Linux writes at most 2 GiB at a time
  MPI_File file = MPI_FILE_NULL;
  require(MPI_File_open(MPI_COMM_WORLD, path.c_str(), MPI_MODE_WRONLY | MPI_MODE_CREATE, MPI_INFO_NULL, &file) ==
              MPI_SUCCESS,
          "MPI_File_open", EIO);
  for (std::uint64_t done = 0; done < bytes.size(); done += most) {
    const int count = static_cast<int>(std::min(most, bytes.size() - done));
    require(MPI_File_write_at_all(file, static_cast<MPI_Offset>(offset + done), bytes.data() + done, count, MPI_BYTE,
                                  MPI_STATUS_IGNORE) == MPI_SUCCESS,
            "MPI_File_write_at_all", EIO);
  }
  MPI_File_close(&file);
  const FileDescriptor synced(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  require(synced && ::fsync(synced.get()) == 0, "fsync", errno);
}

}  // namespace holdfast::benchmarks
