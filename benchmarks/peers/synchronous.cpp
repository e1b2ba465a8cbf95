#include "synchronous.hpp"

#include <fcntl.h>
#include <hdf5.h>
#include <mpi.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "base/unique_handle.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::benchmarks {
namespace {

std::uint64_t world(int (*ask)(MPI_Comm, int*)) {
  int number = 0;
  ask(MPI_COMM_WORLD, &number);
  return static_cast<std::uint64_t>(number);
}

/// Collective. What all ranks of a node wrote is in its page cache; the first rank has it written from there.
void make_durable(const std::filesystem::path& path) {
  if (world(MPI_Comm_rank) == 0) {
    const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file || ::fsync(file.get()) != 0)
      throw std::system_error(errno, std::generic_category(), "fsync " + path.string());
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace

void write_by_hdf5(const std::filesystem::path& path, const ShardedState& state) {
  using hdf5::call;
  constexpr hid_t as_usual = H5P_DEFAULT;
  const hdf5::PropertiesId access(call("H5Pcreate", H5Pcreate, H5P_FILE_ACCESS));
  call("H5Pset_fapl_mpio", H5Pset_fapl_mpio, access.get(), MPI_COMM_WORLD, MPI_INFO_NULL);
  const hid_t file = call("H5Fcreate", H5Fcreate, path.c_str(), unsigned{H5F_ACC_TRUNC}, as_usual, access.get());
  const hsize_t all[] = {state.rows() * world(MPI_Comm_size), ShardedState::columns}, mine[] = {state.rows(), all[1]};
  const hsize_t first[] = {state.rows() * world(MPI_Comm_rank), 0};
  const hdf5::Selection box{hdf5::SpaceId(call("H5Screate_simple", H5Screate_simple, 2, all, nullptr)),
                            hdf5::SpaceId(call("H5Screate_simple", H5Screate_simple, 2, mine, nullptr))};
  call("H5Sselect_hyperslab", H5Sselect_hyperslab, box.file.get(), H5S_SELECT_SET, first, nullptr, mine, nullptr);
  const hdf5::PropertiesId together = hdf5::collective_transfer();
  for (std::uint64_t i = 0; i < ShardedState::tensors; ++i) {
    const std::string name = "layer" + std::to_string(i);
    const hdf5::DatasetId dataset(call("H5Dcreate2", H5Dcreate2, file, name.c_str(), H5T_NATIVE_FLOAT, box.file.get(),
                                       as_usual, as_usual, as_usual));
    hdf5::write(dataset, H5T_NATIVE_FLOAT, box, together, state.tensor(i).data());
  }
  hdf5::close_shared(file);
  make_durable(path);
}

void write_by_mpi_io(const std::filesystem::path& path, const ShardedState& state) {
  MPI_File file = MPI_FILE_NULL;
  mpi::check(MPI_File_open(MPI_COMM_WORLD, path.c_str(), MPI_MODE_WRONLY | MPI_MODE_CREATE, MPI_INFO_NULL, &file),
             "MPI_File_open");
  const std::uint64_t mine = state.tensor(0).size_bytes();
  for (std::uint64_t i = 0; i < ShardedState::tensors; ++i) {
    const std::uint64_t offset = mine * (i * world(MPI_Comm_size) + world(MPI_Comm_rank));
    mpi::check(MPI_File_write_at_all(file, static_cast<MPI_Offset>(offset), state.tensor(i).data(),
                                     static_cast<int>(state.tensor(i).size()), MPI_FLOAT, MPI_STATUS_IGNORE),
               "MPI_File_write_at_all");
  }
  mpi::check(MPI_File_close(&file), "MPI_File_close");
  make_durable(path);
}

}  // namespace holdfast::benchmarks
