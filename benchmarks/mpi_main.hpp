#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

/// What benchmarks that run under mpirun share. main() is in mpi_main.cpp: rank 0 reports, all ranks run the same
/// benchmarks, which therefore fix their number of iterations.
namespace holdfast::benchmarks {

/// A directory for checkpoints that all ranks know, removed at the end of the program: below HOLDFAST_BENCH_DIR, or the
/// working directory. Collective when first called.
[[nodiscard]] const std::filesystem::path& shared_directory();

/// Seconds since some time in the past.
[[nodiscard]] double now_s();

/// Collective: the largest of all ranks' numbers.
[[nodiscard]] double slowest(double seconds);

/// The value in the middle.
[[nodiscard]] double median(std::span<const double> values);
/// The value that this part of them does not exceed, such as 0.99.
[[nodiscard]] double quantile(std::span<const double> values, double part);

}  // namespace holdfast::benchmarks
