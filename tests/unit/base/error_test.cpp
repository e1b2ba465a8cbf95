#include <gtest/gtest.h>

#include <cerrno>
#include <new>

#include "base/codec.hpp"
#include "base/error_text.hpp"

namespace holdfast {
namespace {

template <class Throw>
Error caught(Throw thrower, const ErrorContext& where = {}) {
  try {
    thrower();
  } catch (...) {
    return current_error(where);
  }
  throw std::logic_error("nothing was thrown");
}

void expect_equal(const Error& a, const Error& b) {
  EXPECT_EQ(a.code(), b.code());
  EXPECT_EQ(a.message(), b.message());
  EXPECT_STREQ(a.what(), b.what());
  EXPECT_EQ(a.context().rank, b.context().rank);
  EXPECT_EQ(a.context().host, b.context().host);
  EXPECT_EQ(a.context().path, b.context().path);
  EXPECT_EQ(a.context().tensor, b.context().tensor);
}

TEST(Error, SaysWhatAndWhere) {
  const Error full(ErrorCode::mismatch, "the dtype is f32 in the file, and f64 in the program",
                   {.rank = 2, .host = "n1", .path = "/run/x.h5", .tensor = "model/w"});
  EXPECT_STREQ(
      full.what(),
      "mismatch: \"model/w\": the dtype is f32 in the file, and f64 in the program (rank 2 on n1, path /run/x.h5)");
}

TEST(Error, LeavesOutWhatIsNotKnown) {
  EXPECT_STREQ(Error(ErrorCode::busy, "both arenas are in use").what(), "busy: both arenas are in use");
  EXPECT_STREQ(Error(ErrorCode::launch, "gone", {.host = "n1"}).what(), "launch: gone (on n1)");
  EXPECT_STREQ(Error(ErrorCode::storage, "full", {.path = "/x"}).what(), "storage: full (path /x)");
  EXPECT_STREQ(Error(ErrorCode::timeout, "late", {.rank = 0}).what(), "timeout: late (rank 0)");
}

TEST(Error, BlamesNobodyForAConflict) {
  EXPECT_STREQ(Error(ErrorCode::plan_conflict, "a hole", {.rank = 2, .host = "n1", .tensor = "w"}).what(),
               "plan_conflict: \"w\": a hole (found by rank 2 on n1)");
}

TEST(Error, EveryCodeHasItsName) {
  EXPECT_EQ(to_string(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_EQ(to_string(ErrorCode::plan_conflict), "plan_conflict");
  EXPECT_EQ(to_string(ErrorCode::out_of_memory), "out_of_memory");
  EXPECT_EQ(to_string(ErrorCode::helper_lost), "helper_lost");
  EXPECT_EQ(to_string(ErrorCode::communication), "communication");
  EXPECT_EQ(to_string(ErrorCode::device), "device");
  EXPECT_EQ(to_string(ErrorCode::internal), "internal");
  EXPECT_EQ(to_string(static_cast<ErrorCode>(99)), "unknown");
}

TEST(Error, CrossesProcessBorders) {
  const Error error(ErrorCode::storage, "full", {.rank = 3, .host = "n2", .path = "/run", .tensor = "a/b"});
  expect_equal(to_error(decode<ErrorRecord>(encode(to_record(error)))), error);
}

TEST(CurrentError, KeepsAnErrorAndFillsWhatItLeftOpen) {
  const Error error = caught([] { throw Error(ErrorCode::corrupt, "flipped", {.path = "/a"}); },
                             {.rank = 4, .path = "/b", .tensor = "t"});
  expect_equal(error,
               Error(ErrorCode::corrupt, "flipped", {.rank = 4, .host = host_name(), .path = "/a", .tensor = "t"}));
}

TEST(CurrentError, KnowsWhatAnExceptionMeans) {
  EXPECT_EQ(caught([] { throw std::bad_alloc(); }).code(), ErrorCode::out_of_memory);
  const Error internal = caught([] { throw std::runtime_error("odd"); });
  EXPECT_EQ(internal.code(), ErrorCode::internal);
  EXPECT_EQ(internal.message(), "odd");
  EXPECT_EQ(internal.context().host, host_name());
  EXPECT_EQ(caught([] { throw 1; }).code(), ErrorCode::internal);
}

TEST(ErrnoText, HasTheTextAndTheName) {
  EXPECT_EQ(errno_text(ENOSPC), "No space left on device (ENOSPC)");
  EXPECT_EQ(errno_text(123456), "error 123456");
}

}  // namespace
}  // namespace holdfast
