#include "base/unique_handle.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <vector>

namespace holdfast {
namespace {

std::vector<int> released;

struct NumberTraits {
  using type = int;
  static type none() noexcept { return 0; }
  static void release(type number) noexcept { released.push_back(number); }
};
using Number = UniqueHandle<NumberTraits>;

class UniqueHandleTest : public testing::Test {
 protected:
  UniqueHandleTest() { released.clear(); }
};

TEST_F(UniqueHandleTest, ReleasesOnce) {
  {
    Number a(1);
    Number b(std::move(a));
    EXPECT_FALSE(a);  // NOLINT: what a move leaves behind is what is tested
    EXPECT_EQ(b.get(), 1);
  }
  EXPECT_EQ(released, std::vector{1});
}

TEST_F(UniqueHandleTest, AssignmentReleasesWhatWasHeld) {
  Number a(1), b(2);
  a = std::move(b);
  EXPECT_EQ(released, std::vector{1});
  a.reset(3);
  EXPECT_EQ(released, (std::vector{1, 2}));
}

TEST_F(UniqueHandleTest, TakeGivesItAway) {
  EXPECT_EQ(Number(5).take(), 5);
  EXPECT_TRUE(released.empty());
}

TEST(FileDescriptorTest, ClosesTheFile) {
  int number = -1;
  {
    const FileDescriptor file(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file);
    number = file.get();
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace holdfast
