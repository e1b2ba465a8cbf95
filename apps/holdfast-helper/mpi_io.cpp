// Wraps the MPI-IO calls through which HDF5 reads and writes, by MPI's profiling interface. HDF5 does not survive a
// failed write, so in this program it sees none; of a failed read the errno is kept (wrap/suppressed_io_errors.hpp).
// With reserved ranks there is no such wrapper: the library must not change the program's own MPI.
#include <mpi.h>

#include <cerrno>

#include "wrap/suppressed_io_errors.hpp"

namespace {

/// True if fewer bytes were transferred than `count` elements have, or if that is unknown.
bool is_short(const MPI_Status& status, int count, MPI_Datatype type) {
  MPI_Count bytes = 0, written = 0;
  return MPI_Type_size_x(type, &bytes) != MPI_SUCCESS ||
         MPI_Get_elements_x(&status, MPI_BYTE, &written) != MPI_SUCCESS || written != bytes * count;
}

/// Returns errno after an MPI-IO call; 0 for EAGAIN, which MPI's own waiting may leave behind.
int reason() {
  return errno == EAGAIN ? 0 : errno;
}

int without_failure(int result, MPI_Status& status, int count, MPI_Datatype type) {
  const int number = reason();
  if (result == MPI_SUCCESS && !is_short(status, count, type)) return MPI_SUCCESS;
  if (!holdfast::mpi::suppress_io_error(number)) return result;
  MPI_Status_set_elements(&status, type, count);
  return MPI_SUCCESS;
}

}  // namespace

extern "C" int MPI_File_write_at(MPI_File file, MPI_Offset offset, const void* data, int count, MPI_Datatype type,
                                 MPI_Status* status) {
  errno = 0;
  const int result = PMPI_File_write_at(file, offset, data, count, type, status);
  return without_failure(result, *status, count, type);
}

extern "C" int MPI_File_write_at_all(MPI_File file, MPI_Offset offset, const void* data, int count, MPI_Datatype type,
                                     MPI_Status* status) {
  errno = 0;
  const int result = PMPI_File_write_at_all(file, offset, data, count, type, status);
  return without_failure(result, *status, count, type);
}

extern "C" int MPI_File_read_at(MPI_File file, MPI_Offset offset, void* data, int count, MPI_Datatype type,
                                MPI_Status* status) {
  errno = 0;
  const int result = PMPI_File_read_at(file, offset, data, count, type, status);
  // MPI may show a failed read as one beyond the file's end, which HDF5 takes for zeros.
  const int number = reason();
  if (result != MPI_SUCCESS || (number != 0 && is_short(*status, count, type)))
    static_cast<void>(holdfast::mpi::suppress_io_error(number));
  return result;
}
