#include "save/succession.hpp"

#include <gtest/gtest.h>

namespace holdfast::save {
namespace {

void expect_next(Succession& succession, std::int64_t sequence, std::int64_t parent) {
  const Succession::Position next = succession.next();
  EXPECT_EQ(next.sequence, sequence);
  EXPECT_EQ(next.parent, parent);
}

TEST(Succession, CountsFromWhatTheDirectoryHas) {
  Succession fresh, old;
  fresh.opened(0, 0);
  expect_next(fresh, 1, 0);
  expect_next(fresh, 2, 1);
  old.opened(40, 38);
  expect_next(old, 41, 38);
  expect_next(old, 42, 41);
}

TEST(Succession, GoesOnFromWhatWasLoaded) {
  Succession succession;
  succession.opened(3, 3);
  succession.loaded(2);
  expect_next(succession, 4, 2);
  expect_next(succession, 5, 4);
  succession.loaded(-100);  // of format 2
  expect_next(succession, 6, -100);
}

TEST(Succession, ASaveThatWasLostWithItsHelperIsNobodysParent) {
  Succession succession;
  succession.opened(3, 3);
  static_cast<void>(succession.next());
  succession.opened(3, 3);
  expect_next(succession, 5, 3);
  expect_next(succession, 6, 5);
  succession.opened(5, 5);
  expect_next(succession, 7, 5);
}

TEST(Succession, GoingBackOutlivesAHelper) {
  Succession succession;
  succession.opened(3, 3);
  succession.loaded(2);
  static_cast<void>(succession.next());
  succession.opened(3, 3);  // nothing was committed since
  expect_next(succession, 5, 2);
  succession.opened(5, 5);
  expect_next(succession, 6, 5);
}

}  // namespace
}  // namespace holdfast::save
