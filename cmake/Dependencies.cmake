# What the library needs; CONTRIBUTING.md has the list, with versions and reasons.
find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
# The C interface is all we use; without this, mpi.h brings in the old C++ one, which wants a library of its own.
set(holdfast_mpi_definitions OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
target_compile_definitions(MPI::MPI_C INTERFACE ${holdfast_mpi_definitions})
find_package(PkgConfig REQUIRED)
include(cmake/Hdf5.cmake)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(UCX REQUIRED IMPORTED_TARGET ucx>=1.12)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
# Two to three times as fast on x86: the variant of the library that picks the processor's widest instructions, where it
# was built in.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::XXHASH)
check_cxx_source_compiles("#include <xxh_x86dispatch.h>
int main() { return XXH3_64bits_dispatch(nullptr, 0) == 0; }" HOLDFAST_XXHASH_DISPATCHES)
unset(CMAKE_REQUIRED_LIBRARIES)

# CUDA: its headers for the library, nvcc and cuBLAS for the example that trains on a GPU.
holdfast_option(CUDA "Tensors in GPU memory")
if(HOLDFAST_CUDA)
  find_package(CUDAToolkit 12.0 QUIET)
endif()
holdfast_decide(CUDA CUDAToolkit_FOUND "CUDA toolkit >= 12.0")

holdfast_option(IO_URING "Direct writes by io_uring")
if(HOLDFAST_IO_URING)
  pkg_check_modules(URING QUIET IMPORTED_TARGET liburing>=2.2)
endif()
holdfast_decide(IO_URING PkgConfig::URING "liburing >= 2.2 (Debian: liburing-dev)")

holdfast_option(TRAINER "Example trainer")
if(HOLDFAST_TRAINER)
  find_package(Torch QUIET)
endif()
holdfast_decide(TRAINER torch "LibTorch (Debian: libtorch-dev)")

holdfast_option(TESTS "Tests")
if(HOLDFAST_TESTS)
  find_package(GTest QUIET)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  # h5py comes from the system's package, so it takes the system's Python: another one that is first on PATH has no
  # h5py.
  find_program(HOLDFAST_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
  if(HOLDFAST_SYSTEM_PYTHON)
    execute_process(COMMAND ${HOLDFAST_SYSTEM_PYTHON} -c "import h5py" RESULT_VARIABLE no_h5py OUTPUT_QUIET ERROR_QUIET)
    if(no_h5py EQUAL 0)
      set(HOLDFAST_HAS_H5PY ON)
    endif()
  endif()
  find_program(H5DUMP h5dump)
  find_program(H5LS h5ls)
endif()
holdfast_decide(TESTS GTest::gmock "GoogleTest (Debian: libgtest-dev libgmock-dev)"
                Python3_FOUND "Python (Debian: python3)" HOLDFAST_HAS_H5PY "h5py of /usr/bin/python3 (Debian: python3-h5py)"
                H5DUMP "h5dump (Debian: hdf5-tools)" H5LS "h5ls (Debian: hdf5-tools)")

holdfast_option(BENCHMARKS "Benchmarks")
if(HOLDFAST_BENCHMARKS)
  find_package(benchmark QUIET)
endif()
holdfast_decide(BENCHMARKS benchmark::benchmark "Google Benchmark (Debian: libbenchmark-dev)")

holdfast_option(REFERENCE "Reference of the API")
if(HOLDFAST_REFERENCE)
  find_package(Doxygen QUIET)
endif()
holdfast_decide(REFERENCE Doxygen::doxygen "Doxygen (Debian: doxygen)")
