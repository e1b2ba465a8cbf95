# The parallel HDF5 that belongs to the MPI: holdfast_hdf5. A program that gets two MPIs crashes in their first call, so
# a pair that does not fit ends the configuration.
include(CheckSymbolExists)

set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
check_symbol_exists(OMPI_MAJOR_VERSION mpi.h HOLDFAST_MPI_IS_OPEN_MPI)
check_symbol_exists(MPICH_VERSION mpi.h HOLDFAST_MPI_IS_MPICH)
set(HOLDFAST_MPI "MPI ${MPI_C_VERSION}")
if(HOLDFAST_MPI_IS_OPEN_MPI)
  set(HOLDFAST_MPI "Open MPI")
  set(flavour openmpi)
elseif(HOLDFAST_MPI_IS_MPICH)
  set(HOLDFAST_MPI "MPICH or one of its kin")
  set(flavour mpich)
endif()

# HDF5_ROOT goes first, then Debian's package for this MPI, then whatever is there.
if(flavour AND NOT HDF5_ROOT AND NOT DEFINED ENV{HDF5_ROOT})
  pkg_check_modules(HDF5_PARALLEL QUIET IMPORTED_TARGET hdf5-${flavour})
endif()
if(TARGET PkgConfig::HDF5_PARALLEL)
  set(found PkgConfig::HDF5_PARALLEL)
  set(libraries ${HDF5_PARALLEL_LINK_LIBRARIES})
else()
  set(HDF5_PREFER_PARALLEL ON)
  find_package(HDF5 REQUIRED COMPONENTS C)
  set(found hdf5::hdf5)
  set(libraries ${HDF5_C_LIBRARIES})
endif()
add_library(holdfast_hdf5 ALIAS ${found})
list(FILTER libraries INCLUDE REGEX "/libhdf5[^/]*$")
set(HOLDFAST_HDF5 "the compiler's own")
if(libraries)
  list(GET libraries 0 HOLDFAST_HDF5)
endif()

set(how_to_choose "
  Set HDF5_ROOT to the folder of one that was built with this MPI (Debian: install libhdf5-openmpi-dev or libhdf5-mpich-dev),
  or choose the other MPI with MPI_C_COMPILER (Debian: mpicc.openmpi or mpicc.mpich). Configure into an empty folder.")

set(CMAKE_REQUIRED_LIBRARIES ${found} MPI::MPI_C)
check_symbol_exists(H5_HAVE_PARALLEL hdf5.h HOLDFAST_HDF5_IS_PARALLEL)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT HOLDFAST_HDF5_IS_PARALLEL)
  message(FATAL_ERROR "This HDF5 does not fit the MPI: it is not parallel, or includes another mpi.h.
  HDF5: ${HOLDFAST_HDF5}\n  MPI:  ${HOLDFAST_MPI}, ${MPI_C_COMPILER}${how_to_choose}")
endif()

# holdfast_dynamic_names(RESULT tag library): what a shared library says after a tag of its dynamic section, such as
# SONAME.
function(holdfast_dynamic_names result tag library)
  execute_process(COMMAND ${CMAKE_READELF} -d ${library} OUTPUT_VARIABLE section ERROR_QUIET)
  string(REPLACE "[" "<" section "${section}") # an open bracket would hold a list of CMake's together
  string(REGEX MATCHALL "\\(${tag}\\)[^\n]*<[^]\n]*" lines "${section}")
  list(TRANSFORM lines REPLACE ".*<" "")
  set(${result} ${lines} PARENT_SCOPE)
endfunction()

# Which MPI library an HDF5 was linked to is known for shared ones alone.
set(mpi_names)
foreach(library ${MPI_C_LIBRARIES})
  holdfast_dynamic_names(name SONAME ${library})
  list(APPEND mpi_names ${name})
endforeach()
holdfast_dynamic_names(hdf5_needs NEEDED ${HOLDFAST_HDF5})
list(FILTER hdf5_needs INCLUDE REGEX "^libmpi")
list(FILTER mpi_names INCLUDE REGEX "^libmpi")
foreach(name ${hdf5_needs})
  if(mpi_names AND NOT name IN_LIST mpi_names)
    message(FATAL_ERROR "This HDF5 was built with another MPI.
  HDF5: ${HOLDFAST_HDF5}, linked to ${name}\n  MPI:  ${HOLDFAST_MPI}, ${mpi_names}${how_to_choose}")
  endif()
endforeach()
