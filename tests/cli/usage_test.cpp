#include <fstream>

#include "command_line_test.hpp"

namespace holdfast::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Usage, HelpAndVersionAreNoErrors) {
  for (const auto& arguments : {std::vector<std::string>{"--help"},
                                {"-h"},
                                {"ls", "--help"},
                                {"show", "-h"},
                                {"verify", "--help"},
                                {"diff", "--help"}}) {
    const Ended ended = holdfast(arguments);
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.err, "");
    EXPECT_THAT(ended.out, HasSubstr("Usage: holdfast"));
  }
  const Ended version = holdfast({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, testing::MatchesRegex("holdfast [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Usage, WrongUseIsOneClearLine) {
  expect_refused(holdfast({}), {"a command is needed"});
  expect_refused(holdfast({"list"}), {"there is no command 'list'"});
  expect_refused(holdfast({"--wat"}), {"--wat"});
  expect_refused(holdfast({"ls"}), {"DIR", "required"});
  expect_refused(holdfast({"show"}), {"FILE", "required"});
  expect_refused(holdfast({"verify"}), {"required"});
  expect_refused(holdfast({"diff", "one"}), {"SECOND", "required"});
  expect_refused(holdfast({"ls", "a", "b"}), {"b"});
  expect_refused(holdfast({"show", "--jason", "a"}), {"--jason"});
}

TEST_F(CommandLine, WhatIsNotThereIsOneClearLine) {
  const std::string absent = directory.path() / "absent";
  expect_refused(holdfast({"ls", absent}), {absent, "no such directory"});
  expect_refused(holdfast({"ls", first}), {first, "no such directory"});
  expect_refused(holdfast({"prune-abandoned", absent}), {absent, "no such directory"});
  expect_refused(holdfast({"show", absent}), {absent, "no such file"});
  expect_refused(holdfast({"show", directory.path() / "300"}), {"300"});
  expect_refused(holdfast({"diff", first, absent}), {absent});
}

TEST_F(CommandLine, WhatIsNoCheckpointIsOneClearLine) {
  const std::string text = directory.path() / "notes.txt";
  std::ofstream(text) << "milk\neggs\n";
  expect_refused(holdfast({"show", text}), {text});
  expect_refused(holdfast({"diff", text, first}), {text});
  const TemporaryDirectory empty;
  expect_refused(holdfast({"show", empty.path()}), {empty.path(), "no checkpoint"});
}

TEST_F(CommandLine, OutputIntoAClosedPipeEndsQuietly) {
  for (const auto& command : std::vector<std::string>{"ls ", "show ", "verify ", "diff " + first.string() + " "}) {
    const Ended ended =
        shell("trap '' PIPE; $HOLDFAST_CLI " + command + directory.path().string() + " | true; echo ${PIPESTATUS[0]}");
    EXPECT_EQ(ended.err, "") << command;
    EXPECT_THAT(ended.out, testing::AnyOf("141\n", "0\n", "1\n"));  // ended by SIGPIPE, or done before the reader was
  }
}

TEST_F(CommandLine, OutputThatCannotBeWrittenIsAnError) {
  const Ended ended = shell("$HOLDFAST_CLI ls " + directory.path().string() + " > /dev/full");
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("No space left"));
}

}  // namespace
}  // namespace holdfast::test
