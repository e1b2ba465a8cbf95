#include <fstream>

#include "command_line_test.hpp"

namespace holdfast::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST_F(CommandLine, VerifyOfWholeFilesIsZero) {
  const Ended one = holdfast({"verify", first});
  EXPECT_EQ(one.status, 0);
  EXPECT_EQ(one.err, "") << "the bar is for terminals";
  EXPECT_THAT(one.out, ContainsRegex("valid +" + first.string() + " +91 B in 9 chunks"));
  const Ended all = holdfast({"verify", directory.path()});
  EXPECT_EQ(all.status, 0);
  EXPECT_THAT(all.out, HasSubstr(first.string()));
  EXPECT_THAT(all.out, HasSubstr(second.string()));
}

TEST_F(CommandLine, VerifyOfDamageIsOneAndNamesIt) {
  damage_first();
  for (const std::filesystem::path& argument : {first, directory.path()}) {
    const Ended ended = holdfast({"verify", argument});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.out, ContainsRegex("bad +" + first.string() + "\n.*model/weight.*rank 1"));
  }
  EXPECT_EQ(holdfast({"verify", directory.path() / "200"}).status, 0);
}

TEST_F(CommandLine, VerifyOfWhatIsNoCheckpointIsOne) {
  std::filesystem::resize_file(first, 1000);
  EXPECT_EQ(holdfast({"verify", first}).status, 1);
  const Ended absent = holdfast({"verify", directory.path() / "absent.h5"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.out, HasSubstr("absent.h5"));
  const TemporaryDirectory empty;
  EXPECT_EQ(holdfast({"verify", empty.path()}).status, 1);
}

TEST_F(CommandLine, VerifyAsJson) {
  damage_first();
  const Ended ended = holdfast({"verify", "--json", directory.path()});
  EXPECT_EQ(ended.status, 1);
  const auto json = json_of(ended);
  EXPECT_EQ(json["valid"], false);
  ASSERT_EQ(json["files"].size(), 2u);
  EXPECT_EQ(json["files"][0]["valid"], false);
  EXPECT_THAT(json["files"][0]["problems"][0].get<std::string>(), HasSubstr("model/weight"));
  EXPECT_EQ(json["files"][1]["valid"], true);
  EXPECT_EQ(json["files"][1]["bytes"], 91);
}

TEST_F(CommandLine, DiffOfEqualIsZero) {
  const auto again = small_sample().save(directory.path(), 300);
  const Ended ended = holdfast({"diff", first, again});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(ended.out, "equal: 6 tensors and values, bit by bit\n");
  const auto json = json_of(holdfast({"diff", "--json", first, again}));
  EXPECT_EQ(json["equal"], true);
  EXPECT_EQ(json["compared"], 6);
  EXPECT_EQ(json["differences"].size(), 0u);
}

TEST_F(CommandLine, DiffOfDifferentIsOneAndSaysWhere) {
  const Ended ended = holdfast({"diff", directory.path() / "100", directory.path() / "200"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, ContainsRegex("epoch +content +1 +10 +7 / 17\n"));
  EXPECT_THAT(ended.out, ContainsRegex("model/weight +content +1 +0.5 +\\[3, 2\\]: 11 / 11.5\n"));
  EXPECT_THAT(ended.out, HasSubstr("different: 2 differences"));
  EXPECT_THAT(ended.out, Not(HasSubstr("model/bias")));
}

TEST_F(CommandLine, DiffAsJson) {
  const Ended ended = holdfast({"diff", "--json", first, second});
  EXPECT_EQ(ended.status, 1);
  const auto json = json_of(ended);
  EXPECT_EQ(json["equal"], false);
  EXPECT_EQ(
      json["differences"][1],
      nlohmann::json::parse(
          R"({"name": "model/weight", "kind": "content", "elements": 1, "largest": 0.5, "text": "[3, 2]: 11 / 11.5"})"));
}

TEST(LargeFiles, AreComparedAndVerifiedInBoundedMemory) {
  const TemporaryDirectory directory;
  constexpr std::uint64_t bytes = 192 << 20;
  SampleCheckpoint sample(1);
  sample.tensor("large", DType::u8, {bytes}, Bytes(bytes, std::byte{3}));
  const auto file = sample.save(directory.path(), 1);
  const std::uint64_t idle = holdfast({"ls", directory.path()}).peak_bytes;
  for (const auto& arguments : {std::vector<std::string>{"verify", file}, {"diff", file, file}}) {
    const Ended ended = holdfast(arguments);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_LT(ended.peak_bytes, idle + (64 << 20)) << arguments[0];
  }
}

}  // namespace
}  // namespace holdfast::test
