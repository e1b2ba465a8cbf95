#pragma once

#include <filesystem>

/// What benchmarks that run under mpirun share. main() is in mpi_main.cpp: rank 0 reports, all ranks run the same
/// benchmarks, which therefore fix their number of iterations.
namespace holdfast::benchmarks {

/// A directory for checkpoints that all ranks know, removed at the end of the program: below HOLDFAST_BENCH_DIR, or the
/// working directory. Collective when first called.
[[nodiscard]] const std::filesystem::path& shared_directory();

}  // namespace holdfast::benchmarks
