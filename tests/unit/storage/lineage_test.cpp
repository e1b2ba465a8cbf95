#include "storage/format/lineage.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace holdfast::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Steps and sequences, all of this run unless said otherwise, with what the last one abandoned.
std::vector<Entry> saves(const std::vector<std::pair<std::int64_t, std::int64_t>>& steps,
                         std::vector<SequenceRange> abandoned = {}, bool are_own = true) {
  std::vector<Entry> entries;
  for (const auto& [step, sequence] : steps)
    entries.push_back({.step = step, .lineage = {.sequence = sequence, .parent = sequence - 1}, .is_own = are_own});
  const auto newest = std::ranges::max_element(entries, {}, [](const Entry& entry) { return entry.lineage.sequence; });
  if (newest != entries.end()) newest->lineage.abandoned = std::move(abandoned);
  return entries;
}

std::vector<std::int64_t> steps_of(const std::vector<Entry>& line) {
  std::vector<std::int64_t> steps;
  for (const Entry& entry : line) steps.push_back(entry.step);
  return steps;
}

TEST(Line, IsWhatTheHeadDidNotAbandonInTheOrderOfSaves) {
  const auto entries = saves({{10, 1}, {20, 2}, {22, 4}, {24, 5}, {30, 3}}, {{3, 3}});
  EXPECT_EQ(head_of(entries)->step, 24);
  EXPECT_THAT(steps_of(line_of(entries)), ElementsAre(10, 20, 22, 24));
  EXPECT_THAT(abandoned_steps(entries), ElementsAre(30));
  EXPECT_THAT(steps_of(line_of(saves({{5, 2}, {10, 1}}))), ElementsAre(10, 5));
  EXPECT_THAT(line_of({}), IsEmpty());
  EXPECT_EQ(head_of({}), nullptr);
}

TEST(Line, HasNoFileWhoseHeadCannotBeRead) {
  auto entries = saves({{10, 1}, {20, 2}});
  entries.push_back({.step = 30});
  EXPECT_THAT(steps_of(line_of(entries)), ElementsAre(10, 20));
  EXPECT_THAT(abandoned_steps(entries), IsEmpty());
  EXPECT_EQ(head_of({{.step = 30}}), nullptr);
}

TEST(Line, StepsOfOlderFilesStandForSequences) {
  EXPECT_LT(sequence_of_step(10), sequence_of_step(20));
  EXPECT_LT(sequence_of_step(INT64_MAX), 0);
  const auto entries =
      saves({{10, sequence_of_step(10)}, {15, 1}, {20, sequence_of_step(20)}}, {{sequence_of_step(10) + 1, 0}});
  EXPECT_THAT(steps_of(line_of(entries)), ElementsAre(10, 15));
  EXPECT_EQ(newest_sequence(saves({{20, sequence_of_step(20)}})), 0);
}

TEST(Line, TwoFilesOfOneSequenceAreInTheOrderOfSteps) {
  EXPECT_EQ(head_of(saves({{20, 1}, {10, 1}}))->step, 20);
  EXPECT_THAT(steps_of(line_of(saves({{20, 1}, {10, 1}}))), ElementsAre(10, 20));
}

TEST(NewestSequence, LeavesRoomForFilesThatCannotBeRead) {
  EXPECT_EQ(newest_sequence({}), 0);
  EXPECT_EQ(newest_sequence(saves({{10, 7}, {20, 3}})), 7);
  auto entries = saves({{10, 7}});
  entries.push_back({.step = 20});
  EXPECT_GT(newest_sequence(entries), 1000);
}

TEST(NextLineage, GoesOnFromTheSaveBefore) {
  const auto entries = saves({{10, 1}, {20, 2}});
  EXPECT_EQ(next_lineage(entries, entries.back().lineage, 3, 2),
            (Lineage{.sequence = 3, .parent = 2, .abandoned = {}}));
}

TEST(NextLineage, AbandonsAllBehindTheOneThatWasLoaded) {
  const auto entries = saves({{10, 1}, {20, 2}, {30, 3}, {40, 4}});
  EXPECT_THAT(next_lineage(entries, entries.back().lineage, 5, 2).abandoned, ElementsAre(SequenceRange{3, 4}));
}

TEST(NextLineage, KeepsWhatTheParentAbandonedAndNothingThatItDidNot) {
  auto entries = saves({{10, 1}, {20, 2}, {30, 3}, {22, 4}, {24, 5}}, {{3, 3}});
  entries[3].lineage.abandoned = {{3, 3}};
  EXPECT_THAT(next_lineage(entries, entries.back().lineage, 6, 4).abandoned,
              ElementsAre(SequenceRange{3, 3}, SequenceRange{5, 5}));
  EXPECT_THAT(next_lineage(entries, entries.back().lineage, 6, 3).abandoned, ElementsAre(SequenceRange{4, 5}))
      << "the program returned to what it had abandoned";
}

TEST(NextLineage, OfASaveThatFailedIsRememberedInItsPlace) {
  const auto entries = saves({{10, 1}, {20, 2}, {30, 3}});
  const Lineage failed = next_lineage(entries, entries.back().lineage, 4, 2);
  EXPECT_THAT(next_lineage(entries, failed, 5, 4).abandoned, ElementsAre(SequenceRange{3, 3}));
  EXPECT_EQ(next_lineage(entries, failed, 4, 2), failed) << "said twice";
}

TEST(Trimmed, LeavesOutRangesWithoutFiles) {
  const Lineage lineage{.sequence = 9, .parent = 8, .abandoned = {{2, 3}, {5, 6}}};
  auto entries = saves({{10, 1}, {60, 6}});
  EXPECT_THAT(trimmed(entries, lineage).abandoned, ElementsAre(SequenceRange{5, 6}));
  entries.push_back({.step = 70});
  EXPECT_EQ(trimmed(entries, lineage), lineage) << "it may be of any sequence";
}

TEST(IsPossible, OnlyWhatASaveCanSay) {
  EXPECT_TRUE(is_possible({.sequence = 1, .parent = 0}));
  EXPECT_TRUE(
      is_possible({.sequence = 9, .parent = sequence_of_step(3), .abandoned = {{sequence_of_step(3) + 1, 2}, {4, 8}}}));
  for (const Lineage& lineage : std::vector<Lineage>{{.sequence = 0},
                                                     {.sequence = -3, .parent = -4},
                                                     {.sequence = INT64_MAX},
                                                     {.sequence = 3, .parent = 3},
                                                     {.sequence = 3, .parent = INT64_MIN},
                                                     {.sequence = 3, .parent = 2, .abandoned = {{2, 1}}},
                                                     {.sequence = 3, .parent = 2, .abandoned = {{1, 3}}},
                                                     {.sequence = 9, .parent = 2, .abandoned = {{4, 5}, {5, 6}}},
                                                     {.sequence = 9, .parent = 2, .abandoned = {{6, 6}, {4, 4}}}})
    EXPECT_FALSE(is_possible(lineage)) << lineage.sequence << ' ' << lineage.parent;
}

TEST(Retention, KeepsTheNewestOfTheLine) {
  EXPECT_THAT(to_prune(saves({{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}}), 2, 0), ElementsAre(1, 2, 3));
  EXPECT_THAT(to_prune(saves({{1, 1}, {2, 2}}), 2, 0), IsEmpty());
  EXPECT_THAT(to_prune(saves({{5, 2}, {10, 1}}), 1, 0), ElementsAre(10)) << "the newest is the one that was saved last";
  EXPECT_THAT(to_prune({}, 1, 10), IsEmpty());
}

TEST(Retention, ZeroKeepsAll) {
  EXPECT_THAT(to_prune(saves({{1, 1}, {2, 2}, {3, 3}}), 0, 2), IsEmpty());
}

TEST(Retention, KeepsEveryNthBesides) {
  EXPECT_THAT(to_prune(saves({{0, 1}, {5, 2}, {10, 3}, {15, 4}, {20, 5}, {25, 6}}), 2, 10), ElementsAre(5, 15));
  EXPECT_THAT(to_prune(saves({{0, 1}, {5, 2}, {10, 3}, {15, 4}}), 1, 1), IsEmpty());
}

TEST(Retention, LeavesWhatIsAbandonedOrCannotBeReadAndDoesNotCountIt) {
  auto entries = saves({{10, 1}, {20, 2}, {22, 4}, {24, 5}, {30, 3}}, {{3, 3}});
  entries.push_back({.step = 40});
  EXPECT_THAT(to_prune(entries, 2, 0), ElementsAre(10, 20));
  EXPECT_THAT(to_prune(entries, 3, 0), ElementsAre(10));
}

TEST(Retention, WaitsForTwoNewOnesOfThisRun) {
  auto entries = saves({{70, 7}, {80, 8}, {90, 9}}, {}, false);
  const auto add = [&](std::int64_t step) {
    entries.push_back({.step = step, .lineage = {.sequence = step / 10, .parent = step / 10 - 1}, .is_own = true});
  };
  EXPECT_THAT(to_prune(entries, 2, 0), IsEmpty());
  add(100);
  EXPECT_THAT(to_prune(entries, 2, 0), IsEmpty());
  EXPECT_THAT(to_prune(entries, 1, 0), ElementsAre(70, 80, 90)) << "one is to be kept, so one is enough";
  add(110);
  EXPECT_THAT(to_prune(entries, 2, 0), ElementsAre(70, 80, 90));
  EXPECT_THAT(to_prune(entries, 3, 0), ElementsAre(70, 80));
}

/// One save in each run is what many jobs do.
TEST(Retention, KeepsTwoMoreAtMostWhereRunsSaveOnce) {
  const auto entries = saves({{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}}, {}, false);
  EXPECT_THAT(to_prune(entries, 3, 0), ElementsAre(1));
  EXPECT_THAT(to_prune(entries, 1, 0), ElementsAre(1, 2, 3));
}

/// Somebody moves files back into the directory whose sequences are above those that the run gives.
TEST(Retention, NeverGivesUpTheNewestOfThisRun) {
  auto entries = saves({{70, 7}, {80, 8}, {90, 9}, {100, 10}}, {}, false);
  entries.push_back({.step = 110, .lineage = {.sequence = 5, .parent = 4}, .is_own = true});
  EXPECT_THAT(to_prune(entries, 1, 0), ElementsAre(70));
  EXPECT_THAT(to_prune(entries, 2, 0), IsEmpty());
  entries.push_back({.step = 120, .lineage = {.sequence = 6, .parent = 5}, .is_own = true});
  EXPECT_THAT(to_prune(entries, 2, 0), ElementsAre(110)) << "of the run's own, only the newest is safe";
}

/// What a run's saves go on from is the newest before them, whether it began there or went back behind others.
TEST(Retention, KeepsWhatTheRunWentOnFromUntilTwoOfItsOwnAreThere) {
  auto entries = saves({{70, 7}, {80, 8}, {90, 9}, {100, 10}}, {}, false);
  entries.push_back({.step = 110, .lineage = {.sequence = 11, .parent = 7, .abandoned = {{8, 10}}}, .is_own = true});
  EXPECT_THAT(to_prune(entries, 2, 0), IsEmpty());
  entries.push_back({.step = 120, .lineage = {.sequence = 12, .parent = 11, .abandoned = {{8, 10}}}, .is_own = true});
  EXPECT_THAT(to_prune(entries, 2, 0), ElementsAre(70));
}

/// A directory and the runs that save there, go back, fail, prune and start anew; beside it the truth, which is known
/// here: who was saved after whom.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    for (std::int64_t step = 10; step < 10 * pick(4); step += 10) {
      disk_[step] = {{.sequence = sequence_of_step(step)}, true};
      parents_[sequence_of_step(step)] = step > 10 ? sequence_of_step(step - 10) : 0;
    }
    start();
  }

  void take_a_turn() {
    switch (pick(12)) {
      case 0:
        return start();
      case 1:
      case 2:
        return go_back();
      case 3:
        return spoil();
      case 4:
        return fail();
      case 5:
        return remove();
      default:
        return save();
    }
  }

  /// What the files say is what happened.
  void check() const {
    const std::vector<Entry> found = read();
    const Entry* head = head_of(found);
    std::set<std::int64_t> ancestors;
    for (std::int64_t sequence = head != nullptr ? head->lineage.sequence : 0; sequence != 0;
         sequence = parents_.at(sequence))
      ancestors.insert(sequence);
    for (const Entry& entry : line_of(found))
      EXPECT_TRUE(ancestors.contains(entry.lineage.sequence)) << "step " << entry.step;
    for (const std::int64_t step : abandoned_steps(found))
      EXPECT_FALSE(ancestors.contains(disk_.at(step).lineage.sequence)) << "step " << step;
    for (const Entry& entry : found)
      EXPECT_TRUE(!entry.is_read() || entry.lineage.sequence < 0 || is_possible(entry.lineage));
  }

 private:
  struct File {
    Lineage lineage;
    bool is_sound = true;
  };

  std::int64_t pick(std::int64_t count) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(count));
  }

  [[nodiscard]] std::vector<Entry> read() const {
    std::vector<Entry> found;
    for (const auto& [step, file] : disk_)
      found.push_back({.step = step, .lineage = file.is_sound ? file.lineage : Lineage{}});
    return found;
  }

  void start() {
    memory_ = read();
    newest_ = newest_sequence(memory_);
    const Entry* head = head_of(memory_);
    last_ = head != nullptr ? head->lineage : Lineage{};
    parent_ = last_.sequence;
    step_ = head != nullptr ? head->step : 0;
    keep_last_ = static_cast<int>(pick(4));
  }

  void begin() {
    const std::int64_t sequence = ++newest_;
    parents_[sequence] = parent_;
    last_ = next_lineage(memory_, last_, sequence, parent_);
    parent_ = sequence;
    step_ += 1 + pick(10);
  }
  void fail() { begin(); }

  void save() {
    begin();
    disk_[step_] = {trimmed(memory_, last_), true};
    std::erase_if(memory_, [&](const Entry& entry) { return entry.step == step_; });
    memory_.insert(std::ranges::upper_bound(memory_, step_, {}, &Entry::step),
                   {.step = step_, .lineage = last_, .is_own = true});
    prune();
  }

  void prune() {
    const std::vector<Entry> line = line_of(memory_);
    for (const std::int64_t step : to_prune(memory_, keep_last_, 0)) {
      const auto entry = std::ranges::find(line, step, &Entry::step);
      ASSERT_NE(entry, line.end()) << "only the line is pruned";
      const auto newer = std::ranges::subrange(std::next(entry), line.end());
      EXPECT_GE(std::ranges::distance(newer), keep_last_);
      EXPECT_TRUE(std::ranges::count_if(newer, &Entry::is_own) >= std::min(keep_last_, 2) ||
                  std::ranges::distance(newer) >= keep_last_ + 2);
      forget(step);
    }
  }

  void forget(std::int64_t step) {
    disk_.erase(step);
    std::erase_if(memory_, [&](const Entry& entry) { return entry.step == step; });
  }

  /// A program can load what is sound, abandoned or not.
  void go_back() {
    std::vector<std::int64_t> steps;
    for (const auto& [step, file] : disk_)
      if (file.is_sound) steps.push_back(step);
    if (steps.empty()) return;
    step_ = steps[static_cast<std::size_t>(pick(static_cast<std::int64_t>(steps.size())))];
    parent_ = disk_.at(step_).lineage.sequence;
  }

  /// The head of a file gets bad; a run that knows it from before does not see that.
  void spoil() {
    if (!disk_.empty())
      std::next(disk_.begin(), pick(static_cast<std::int64_t>(disk_.size())))->second.is_sound = false;
  }

  /// A person may take any file away, but not the one that was loaded before it was gone on from.
  void remove() {
    if (disk_.empty()) return;
    const auto& [step, file] = *std::next(disk_.begin(), pick(static_cast<std::int64_t>(disk_.size())));
    if (file.lineage.sequence != parent_) forget(std::int64_t{step});
  }

  std::mt19937_64 random_;
  std::map<std::int64_t, File> disk_;
  std::map<std::int64_t, std::int64_t> parents_;  ///< of all saves that ever were, also of those that failed
  std::vector<Entry> memory_;
  Lineage last_;
  std::int64_t newest_ = 0, parent_ = 0, step_ = 0;
  int keep_last_ = 0;
};

TEST(Line, IsRightAfterAnyHistory) {
  for (std::uint64_t seed = 1; seed <= 2000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    History history(seed);
    for (int turn = 0; turn < 60 && !testing::Test::HasFailure(); ++turn) {
      history.take_a_turn();
      history.check();
    }
  }
}

}  // namespace
}  // namespace holdfast::storage
