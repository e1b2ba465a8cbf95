#pragma once

namespace holdfast::hdf5 {

/// Throws Error(invalid_state), with the names of both libraries, if our HDF5 calls reach a library of another version
/// or without MPI. That happens if the program links or loads another HDF5 first: without symbol versions, it takes
/// over the calls.
void require_own_library();

}  // namespace holdfast::hdf5
