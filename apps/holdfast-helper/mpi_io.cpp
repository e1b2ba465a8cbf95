// HDF5 reads and writes through these calls of MPI-IO. It does not survive a write that fails, so in this program it sees none;
// of a read that fails the errno is kept (wrap/kept_failures.hpp). MPI's profiling interface makes that possible; in a program
// with reserved ranks the library must not do such a thing to the program's MPI.
#include <mpi.h>

#include <cerrno>

#include "wrap/kept_failures.hpp"

namespace {

/// Did fewer bytes arrive than there were, or does nobody know?
bool is_short(const MPI_Status& status, int count, MPI_Datatype type) {
  MPI_Count bytes = 0, written = 0;
  return MPI_Type_size_x(type, &bytes) != MPI_SUCCESS || MPI_Get_elements_x(&status, MPI_BYTE, &written) != MPI_SUCCESS ||
         written != bytes * count;
}

/// errno after a call of MPI-IO; MPI's own waiting may leave EAGAIN behind.
int reason() {
  return errno == EAGAIN ? 0 : errno;
}

int without_failure(int result, MPI_Status& status, int count, MPI_Datatype type) {
  const int number = reason();
  if (result == MPI_SUCCESS && !is_short(status, count, type)) return MPI_SUCCESS;
  if (!holdfast::mpi::keep_failure(number)) return result;
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

extern "C" int MPI_File_read_at(MPI_File file, MPI_Offset offset, void* data, int count, MPI_Datatype type, MPI_Status* status) {
  errno = 0;
  const int result = PMPI_File_read_at(file, offset, data, count, type, status);
  // A read that failed may pass for one beyond the file's end, which HDF5 takes for zeros.
  const int number = reason();
  if (result != MPI_SUCCESS || (number != 0 && is_short(*status, count, type)))
    static_cast<void>(holdfast::mpi::keep_failure(number));
  return result;
}
