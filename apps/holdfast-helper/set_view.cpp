// A helper sleeps while it waits for other helpers, inside of H5Dwrite too: there HDF5 sets the view of the shared file before
// the data and again after them, which MPI does collectively, so one with little to write would spin until the one with the most
// is done. MPI's profiling interface lets this program meet the others asleep first. In a program with reserved ranks the library
// must not do such a thing to the program's MPI; the helpers have cores of their own there.
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "wrap/mpi.hpp"

namespace {

bool is_shared_by_all_helpers(MPI_File file) {
  MPI_Group all = MPI_GROUP_NULL, of_file = MPI_GROUP_NULL;
  int size = 0, size_of_file = 0;
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  MPI_File_get_group(file, &of_file);
  MPI_Group_size(all, &size);
  MPI_Group_size(of_file, &size_of_file);
  MPI_Group_free(&all);
  MPI_Group_free(&of_file);
  return size == size_of_file;
}

}  // namespace

extern "C" int MPI_File_set_view(MPI_File file, MPI_Offset displacement, MPI_Datatype element, MPI_Datatype view,
                                 const char* representation, MPI_Info info) {
  try {
    if (is_shared_by_all_helpers(file)) holdfast::mpi::Communicator::own(MPI_COMM_WORLD).asleep().meet();
  } catch (...) {  // C is above
    holdfast::log::warning("before MPI_File_set_view: {}", holdfast::current_error().what());
    return MPI_ERR_OTHER;
  }
  return PMPI_File_set_view(file, displacement, element, view, representation, info);
}
