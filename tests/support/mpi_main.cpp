// main() of the MPI tests: every rank runs all tests, rank 0 prints, a failure anywhere fails all.
#include <gtest/gtest.h>
#include <mpi.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <locale>

namespace {

/// Says on which rank an assertion failed; rank 0's normal output tells the rest.
class FailuresWithRank : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    int rank = -1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank, result.file_name() ? result.file_name() : "?", result.line_number(),
                 result.message());
  }
};

/// 1.234.567,5 instead of 1234567.5.
class CommaAndGroups : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// As a program for people does: C's functions and C++'s streams then write and read numbers otherwise. False where C has no such
/// locale.
bool speak(const char* locale) {
  std::locale::global(std::locale(std::locale::classic(), new CommaAndGroups));
  return std::setlocale(LC_ALL, locale) != nullptr && std::localeconv()->decimal_point[0] == ',';
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  if (const char* locale = std::getenv("HOLDFAST_TEST_LOCALE"); locale != nullptr && !speak(locale)) {
    std::fprintf(stderr, "there is no locale %s with a decimal comma\n", locale);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  testing::InitGoogleTest(&argc, argv);
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new FailuresWithRank);
  int failed = RUN_ALL_TESTS() != 0 || testing::UnitTest::GetInstance()->test_to_run_count() == 0;
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return failed;
}
