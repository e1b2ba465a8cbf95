#include "mpi_main.hpp"

#include <benchmark/benchmark.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::benchmarks {
namespace {

std::filesystem::path directory;

int world_rank() {
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

class SilentReporter : public benchmark::BenchmarkReporter {
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

/// The other ranks would overwrite rank 0's file.
void drop_output_file(int& argc, char** argv) {
  const auto names_output = [](const char* argument) {
    return std::string_view(argument).starts_with("--benchmark_out");
  };
  argc = static_cast<int>(std::remove_if(argv, argv + argc, names_output) - argv);
}

}  // namespace

const std::filesystem::path& shared_directory() {
  if (!directory.empty()) return directory;
  std::array<char, 4096> text{};
  if (world_rank() == 0) {
    const char* parent = std::getenv("HOLDFAST_BENCH_DIR");
    const std::string path =
        std::filesystem::absolute(parent != nullptr ? parent : ".").string() + "/holdfast-bench-XXXXXX";
    std::copy_n(path.begin(), std::min(path.size(), text.size() - 1), text.begin());
    if (mkdtemp(text.data()) == nullptr) {
      std::perror(text.data());
      MPI_Abort(MPI_COMM_WORLD, 1);
    }
  }
  MPI_Bcast(text.data(), static_cast<int>(text.size()), MPI_CHAR, 0, MPI_COMM_WORLD);
  return directory = text.data();
}

}  // namespace holdfast::benchmarks

int main(int argc, char** argv) {
  using namespace holdfast::benchmarks;
  MPI_Init(&argc, &argv);
  const bool reports = world_rank() == 0;
  if (!reports) drop_output_file(argc, argv);
  benchmark::Initialize(&argc, argv);
  const bool wrong_use = benchmark::ReportUnrecognizedArguments(argc, argv);
  if (!wrong_use && reports) benchmark::RunSpecifiedBenchmarks();
  if (!wrong_use && !reports) {
    SilentReporter silent;
    benchmark::RunSpecifiedBenchmarks(&silent);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  std::error_code ignored;
  if (reports && !directory.empty()) std::filesystem::remove_all(directory, ignored);
  MPI_Finalize();
  return wrong_use ? 1 : 0;
}
