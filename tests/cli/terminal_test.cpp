// What is for terminals only: run by with_terminal, where there are any.
#include "command_line_test.hpp"

namespace holdfast::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST_F(CommandLine, ColoursAreForTerminalsThatWantThem) {
  const std::string command = "ls " + directory.path().string();
  const std::string on_terminal = "script -qec '" + std::string("$HOLDFAST_CLI ") + command + "' /dev/null";
  EXPECT_THAT(holdfast({"ls", directory.path()}).out, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(shell("TERM=xterm NO_COLOR= " + on_terminal).out, HasSubstr("\x1b["));
  EXPECT_THAT(shell("TERM=xterm NO_COLOR=1 " + on_terminal).out, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(shell("TERM=dumb NO_COLOR= " + on_terminal).out, Not(HasSubstr("\x1b[")));
}

TEST_F(CommandLine, VerifyDrawsABarOnATerminalAndClearsIt) {
  const Ended ended = shell("TERM=xterm script -qec '$HOLDFAST_CLI verify " + first.string() + "' /dev/null");
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, ContainsRegex("\\[#*\\.*\\] +[0-9]+%"));
  EXPECT_THAT(ended.out, ContainsRegex("\r\x1b\\[K[^%]*valid[^%]*$"));
}

}  // namespace
}  // namespace holdfast::test
