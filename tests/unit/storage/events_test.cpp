#include "storage/directory/events.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace holdfast::storage {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::MatchesRegex;

/// An event is one line of JSON.
json parse(const std::string& line) {
  EXPECT_THAT(line, EndsWith("\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  return json::parse(line);
}

TEST(Events, ASaveTellsItsNumbers) {
  const std::vector<plan::Dataset> datasets(3);
  setenv("SLURM_JOB_ID", "4711", 1);
  const json event = parse(
      save_event({.step = 7, .world_size = 4, .datasets = datasets, .chunks = {}},
                 {.path = "/run/step-000000000007.h5", .bytes = 1000, .write_s = 0.5, .fsync_s = 0.25, .total_s = 2}));
  unsetenv("SLURM_JOB_ID");
  EXPECT_EQ(event.at("event"), "save");
  EXPECT_EQ(event.at("step"), 7);
  EXPECT_EQ(event.at("file"), "step-000000000007.h5");
  EXPECT_EQ(event.at("ranks"), 4);
  EXPECT_EQ(event.at("job"), "4711");
  EXPECT_EQ(event.at("datasets"), 3);
  EXPECT_EQ(event.at("bytes"), 1000);
  EXPECT_EQ(event.at("write_s"), 0.5);
  EXPECT_EQ(event.at("fsync_s"), 0.25);
  EXPECT_EQ(event.at("total_s"), 2.0);
  EXPECT_EQ(event.at("bytes_per_s"), 500.0);
}

TEST(Events, AFailureTellsWhatAndWhere) {
  const Error error(ErrorCode::storage, "no \"room\"\nleft", {.rank = 2, .host = "n1", .path = "/run", .tensor = "w"});
  const json event = parse(failed_save_event(9, error));
  EXPECT_EQ(event.at("event"), "save_failed");
  EXPECT_EQ(event.at("step"), 9);
  EXPECT_EQ(event.at("code"), "storage");
  EXPECT_EQ(event.at("error"), "no \"room\"\nleft");
  EXPECT_EQ(event.at("rank"), 2);
  EXPECT_EQ(event.at("host"), "n1");
  EXPECT_EQ(event.at("path"), "/run");
  EXPECT_EQ(event.at("tensor"), "w");
}

TEST(Events, ALoadTellsWhatWasLeftOut) {
  LoadReport report{.step = 3, .path = "/run/step-000000000003.h5", .saved_by_ranks = 2, .bytes = 10, .seconds = 0};
  report.first_missing = {"a"};
  report.missing_count = 21;
  report.sequence = 12;
  report.per_rank_doubled = 6;
  report.skipped = {"step 4: truncated"};
  const json event = parse(load_event(report, 8));
  EXPECT_EQ(event.at("event"), "load");
  EXPECT_EQ(event.at("ranks"), 8);
  EXPECT_EQ(event.at("saved_by_ranks"), 2);
  EXPECT_EQ(event.at("sequence"), 12);
  EXPECT_EQ(event.at("per_rank_left_out"), 0);
  EXPECT_EQ(event.at("per_rank_doubled"), 6);
  EXPECT_EQ(event.at("missing"), json({"a"}));
  EXPECT_EQ(event.at("missing_count"), 21);
  EXPECT_EQ(event.at("unexpected"), json::array());
  EXPECT_EQ(event.at("skipped"), json({"step 4: truncated"}));
  EXPECT_EQ(event.at("bytes_per_s"), 0.0);
}

TEST(Events, TextThatIsNotUtf8DoesNoHarm) {
  const Error error(ErrorCode::storage, "bad \xff name", {});
  EXPECT_EQ(parse(failed_save_event(1, error)).at("error"), "bad \xef\xbf\xbd name");
}

TEST(Events, TimeIsUtc) {
  EXPECT_THAT(utc_now(), MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
}

}  // namespace
}  // namespace holdfast::storage
