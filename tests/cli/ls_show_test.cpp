#include <fstream>

#include "command_line_test.hpp"
#include "storage/directory/filesystem.hpp"

namespace holdfast::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr char utc[] = "20[0-9-]+T[0-9:.]+Z";

TEST_F(CommandLine, LsShowsStepSizeRanksTimeAndState) {
  const Ended ended = holdfast({"ls", directory.path()});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, ContainsRegex("STEP +SIZE +RANKS +COMMITTED +STATE\n"));
  EXPECT_THAT(ended.out, ContainsRegex(" *100 +[0-9.]+ KiB +2 +" + std::string(utc) + " +valid\n *200 "));
}

TEST_F(CommandLine, LsSaysWhatIsWrongWithABadFile) {
  std::filesystem::resize_file(first, 1000);
  const Ended ended = holdfast({"ls", directory.path()});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, ContainsRegex(" *100 +1000 B +- +- +bad: .+\n *200 .* valid\n"));

  const auto json = json_of(holdfast({"ls", "--json", directory.path()}));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["valid"], false);
  EXPECT_NE(json[0]["problem"], "");
}

TEST_F(CommandLine, LsAsJson) {
  const auto json = json_of(holdfast({"ls", directory.path(), "--json"}));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1]["step"], 200);
  EXPECT_EQ(json[1]["path"], second.string());
  EXPECT_EQ(json[1]["bytes"], std::filesystem::file_size(second));
  EXPECT_EQ(json[1]["ranks"], 2);
  EXPECT_EQ(json[1]["valid"], true);
  EXPECT_EQ(json[1]["problem"], "");
  EXPECT_THAT(json[1]["created"].get<std::string>(), ContainsRegex(utc));
}

TEST_F(CommandLine, PinAndUnpin) {
  EXPECT_EQ(holdfast({"pin", directory.path() / "100", "best"}).status, 0);
  EXPECT_THAT(holdfast({"ls", directory.path()}).out, ContainsRegex(" 100 .* valid, pinned as best\n"));
  EXPECT_EQ(holdfast({"pin", directory.path() / "best", "other"}).status, 0);
  EXPECT_EQ(json_of(holdfast({"ls", "--json", directory.path()}))[0]["pins"], nlohmann::json({"best", "other"}));
  EXPECT_EQ(json_of(holdfast({"show", "--json", directory.path() / "best"}))["step"], 100);
  EXPECT_EQ(holdfast({"unpin", directory.path(), "best"}).status, 0);
  expect_refused(holdfast({"unpin", directory.path(), "best"}), {"nothing is pinned"});
  expect_refused(holdfast({"pin", directory.path() / "100", "latest"}), {"latest"});
}

/// A program that saved 100, 200, 300, went back to 200 and saved 250.
class AfterGoingBack : public CommandLine {
 protected:
  AfterGoingBack() {
    small_sample().save(directory.path(), 300);
    small_sample().save(directory.path(), 250, 4, 2);
  }
  std::vector<std::string> states() {
    std::vector<std::string> states;
    for (const auto& entry : json_of(holdfast({"ls", "--json", directory.path()})))
      states.push_back(entry["step"].dump() + (entry["abandoned"] ? " abandoned" : ""));
    return states;
  }
};

TEST_F(AfterGoingBack, LsMarksWhatIsAbandoned) {
  EXPECT_THAT(holdfast({"ls", directory.path()}).out, ContainsRegex(" *250 .* valid\n *300 .* abandoned\n"));
  EXPECT_THAT(states(), testing::ElementsAre("100", "200", "250", "300 abandoned"));
  const auto json = json_of(holdfast({"ls", "--json", directory.path()}));
  EXPECT_EQ(json[2]["sequence"], 4);
  EXPECT_EQ(json[2]["parent"], 2);
  EXPECT_EQ(json[3]["valid"], true);
}

TEST_F(AfterGoingBack, ADirectoryStandsForWhatWasSavedLast) {
  EXPECT_EQ(json_of(holdfast({"show", "--json", directory.path()}))["step"], 250);
  EXPECT_EQ(json_of(holdfast({"show", "--json", directory.path() / "300"}))["step"], 300);
}

TEST_F(AfterGoingBack, PruneAbandonedRemovesJustThat) {
  const Ended ended = holdfast({"prune-abandoned", directory.path()});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, ContainsRegex("removed .*step-000000000300.h5\n1 abandoned checkpoint removed"));
  EXPECT_THAT(states(), testing::ElementsAre("100", "200", "250"));
  EXPECT_THAT(holdfast({"prune-abandoned", directory.path()}).out, HasSubstr("no abandoned checkpoints"));
}

TEST_F(AfterGoingBack, PruneAbandonedAsJson) {
  const auto json = json_of(holdfast({"prune-abandoned", "--json", directory.path()}));
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["step"], 300);
}

TEST_F(AfterGoingBack, PruneAbandonedIsRefusedWhileARunHasTheDirectory) {
  const auto lock = storage::make_posix_filesystem()->lock(directory.path() / ".holdfast.lock", "host n1, pid 42", 0);
  expect_refused(holdfast({"prune-abandoned", directory.path()}), {"another run", "host n1, pid 42"});
  EXPECT_THAT(states(), testing::ElementsAre("100", "200", "250", "300 abandoned"));
}

/// The file that cannot be read may be the newest, and go on from 300 after all.
TEST_F(AfterGoingBack, PruneAbandonedIsRefusedWhileAFileCannotBeRead) {
  std::filesystem::resize_file(first, 1000);
  expect_refused(holdfast({"prune-abandoned", directory.path()}), {first.filename(), "cannot be read", "--force"});
  EXPECT_TRUE(std::filesystem::exists(directory.path() / "step-000000000300.h5"));
  EXPECT_THAT(holdfast({"prune-abandoned", "--force", directory.path()}).out,
              HasSubstr("1 abandoned checkpoint removed"));
  EXPECT_THAT(states(), testing::ElementsAre("100", "200", "250"));
}

TEST_F(CommandLine, PruneAbandonedLeavesNothingWhereThereIsNothingToDo) {
  std::filesystem::remove(directory.path() / ".holdfast.lock");
  EXPECT_THAT(holdfast({"prune-abandoned", directory.path()}).out, HasSubstr("no abandoned checkpoints"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / ".holdfast.lock"));
}

TEST(LsOfNothing, IsNoError) {
  const TemporaryDirectory empty;
  EXPECT_EQ(holdfast({"ls", empty.path()}).status, 0);
  EXPECT_THAT(holdfast({"ls", empty.path()}).out, HasSubstr("no checkpoints"));
  EXPECT_EQ(holdfast({"ls", "--json", empty.path()}).out, "[]\n");
}

TEST_F(CommandLine, ShowListsTensorsAndValues) {
  const Ended ended = holdfast({"show", first});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, HasSubstr(first.string()));
  EXPECT_THAT(ended.out, ContainsRegex("step 100, .*saved by 2 ranks at " + std::string(utc)));
  EXPECT_THAT(ended.out, ContainsRegex("model/weight +f32 +\\(4, 3\\) +48 B\n"));
  EXPECT_THAT(ended.out, ContainsRegex("model/bias +bf16 +\\(3\\) +6 B\n"));
  EXPECT_THAT(ended.out, ContainsRegex("epoch +i64 +7\n"));
  EXPECT_THAT(ended.out, ContainsRegex("rate +f64 +0.5\n"));
  EXPECT_THAT(ended.out, ContainsRegex("note +string +\"hello\"\n"));
  EXPECT_THAT(ended.out, ContainsRegex("seed +u64 per rank +rank 0: \\[100\\], 1: \\[101\\]\n"));
}

TEST_F(CommandLine, ShowFindsTheNewestAndStepsByName) {
  const auto step_of = [](const std::string& argument) {
    return json_of(holdfast({"show", "--json", argument}))["step"];
  };
  EXPECT_EQ(step_of(directory.path()), 200);
  EXPECT_EQ(step_of(directory.path() / "100"), 100);
  EXPECT_EQ(step_of(directory.path() / "step-100"), 100);
  EXPECT_EQ(step_of(directory.path() / "latest"), 200);
  std::filesystem::resize_file(second, 1000);
  EXPECT_EQ(step_of(directory.path()), 100) << "the newest that opens";
}

TEST_F(CommandLine, ShowAsJsonHasValuesOfTheirOwnType) {
  const auto json = json_of(holdfast({"show", "--json", first}));
  EXPECT_EQ(json["ranks"], 2);
  ASSERT_EQ(json["tensors"].size(), 2u);
  EXPECT_EQ(json["tensors"][0]["name"], "model/bias") << "sorted by name";
  EXPECT_EQ(json["tensors"][1],
            nlohmann::json::parse(R"({"name": "model/weight", "type": "f32", "shape": [4, 3], "bytes": 48})"));
  nlohmann::json values;
  for (const auto& value : json["values"]) values[value["name"].get<std::string>()] = value;
  EXPECT_EQ(values["epoch"]["value"], 7);
  EXPECT_EQ(values["rate"]["value"], 0.5);
  EXPECT_EQ(values["note"]["value"], "hello");
  EXPECT_EQ(values["note"]["type"], "string");
  EXPECT_EQ(values["seed"]["per_rank"], true);
  EXPECT_EQ(values["seed"]["value"],
            nlohmann::json::parse(R"([{"rank": 0, "value": [100]}, {"rank": 1, "value": [101]}])"));
}

TEST(ShowAsJson, SaysWhatJsonHasNoNumbersFor) {
  const TemporaryDirectory directory;
  SampleCheckpoint sample;
  sample.value("nan", DType::f64, {}, bytes_of(std::vector<double>{std::numeric_limits<double>::quiet_NaN()}));
  sample.value("complex", DType::c128, {}, bytes_of(std::vector<double>{1.5, -2}));
  sample.value("flag", DType::boolean, {}, Bytes{std::byte{1}});
  sample.value("large", DType::u64, {}, bytes_of(std::vector<std::uint64_t>{~0ull}));
  sample.value("long", DType::u8, {100000}, Bytes(100000));
  sample.string("latin1", "caf\xe9");
  const auto values = json_of(holdfast({"show", "--json", sample.save(directory.path(), 1)}))["values"];
  const auto value = [&](const std::string& name) {
    return (*std::ranges::find_if(values, [&](const auto& entry) { return entry["name"] == name; }))["value"];
  };
  EXPECT_EQ(value("nan"), "nan");
  EXPECT_EQ(value("complex"), nlohmann::json::parse("[1.5, -2.0]"));
  EXPECT_EQ(value("flag"), true);
  EXPECT_EQ(value("large"), ~0ull);
  EXPECT_EQ(value("long"), nullptr);
  EXPECT_EQ(value("latin1"), "caf\ufffd");
}

}  // namespace
}  // namespace holdfast::test
