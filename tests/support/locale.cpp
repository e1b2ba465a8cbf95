#include "support/locale.hpp"

#include <mpi.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <locale>
#include <string>

namespace holdfast::test {
namespace {

/// 1.234.567,5 instead of 1234567.5.
class CommaAndGroups : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

void speak_as_told() {
  const char* const locale = std::getenv("HOLDFAST_TEST_LOCALE");
  if (locale == nullptr) return;
  std::locale::global(std::locale(std::locale::classic(), new CommaAndGroups));
  if (std::string(locale) == "C") return;
  if (std::setlocale(LC_ALL, locale) != nullptr && std::localeconv()->decimal_point[0] == ',') return;
  std::fprintf(stderr, "there is no locale %s with a decimal comma\n", locale);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

}  // namespace holdfast::test
