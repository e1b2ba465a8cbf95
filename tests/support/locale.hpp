#pragma once

namespace holdfast::test {

/// After MPI_Init. Speaks the locale that HOLDFAST_TEST_LOCALE names, if any, as a program for people does: C's
/// functions and C++'s streams then write and read numbers otherwise. "C" is for a machine that has none: C++'s half
/// only. Aborts where C has no such locale with a decimal comma.
void speak_as_told();

}  // namespace holdfast::test
