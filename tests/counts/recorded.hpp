#pragma once

#include <string>

/// Operations that are counted, not timed, against the values in recorded.txt: a machine's mood does not change them.
namespace holdfast::test {

/// Expects that `counted` is what recorded.txt has for `name`.
void expect_recorded(const std::string& name, double counted);

}  // namespace holdfast::test
