#pragma once

namespace holdfast::hdf5 {

/// An HDF5 without symbol versions that the program links or loads first takes over the calls of every other one. Throws
/// Error(invalid_state), which names both libraries, where ours reach one that has another version or no MPI.
void require_own_library();

}  // namespace holdfast::hdf5
