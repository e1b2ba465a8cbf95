#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/codec.hpp"
#include "plan/local.hpp"

namespace holdfast::plan {
namespace {

float data[64];

std::string refusal(const StateDict& state, const std::string& name = "w") {
  try {
    (void)make_local_plan(state);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_EQ(error.context().tensor, name);
    return error.message();
  }
  return "taken";
}

std::string refusal(const TensorView& view) {
  StateDict state;
  state.add("w", view);
  return refusal(state);
}

TEST(LocalPlan, HasOneItemPerTensorAndValue) {
  StateDict state;
  std::int32_t epoch = 3;
  std::string note = "hello";
  std::vector<double> rates{1, 2};
  std::vector<std::byte> rng(7);
  std::uint64_t seed = 5;
  state.add("epoch", epoch);
  state.add("w", shard(data, DType::f32, {.global = {4, 8}, .offset = {2, 0}, .extent = {2, 8}}));
  state.add("note", note);
  state.add("rates", rates);
  state.add_per_rank("rng", rng);
  state.add_per_rank("seed", seed);
  const LocalPlan plan = make_local_plan(state);

  ASSERT_EQ(plan.items.size(), 6U);
  ASSERT_EQ(plan.memory.size(), 6U);
  const auto expect = [&](std::size_t i, const char* name, DatasetKind kind, DType dtype, const Shape& global,
                          const Box& box, const void* memory) {
    EXPECT_EQ(plan.items[i].name, name);
    EXPECT_EQ(plan.items[i].kind, kind) << name;
    EXPECT_EQ(plan.items[i].dtype, dtype) << name;
    EXPECT_EQ(plan.items[i].global, global) << name;
    EXPECT_EQ(plan.items[i].box, box) << name;
    EXPECT_EQ(plan.memory[i].data, memory) << name;
    EXPECT_EQ(plan.memory[i].shard.extent, box.extent) << name;
  };
  expect(0, "w", DatasetKind::tensor, DType::f32, {4, 8}, {{2, 0}, {2, 8}}, data);
  expect(1, "epoch", DatasetKind::value, DType::i32, {}, {}, &epoch);
  expect(2, "note", DatasetKind::string, DType::u8, {5}, {{0}, {5}}, note.data());
  expect(3, "rates", DatasetKind::value, DType::f64, {2}, {{0}, {2}}, rates.data());
  expect(4, "rng", DatasetKind::per_rank, DType::u8, {}, {{0}, {7}}, rng.data());
  expect(5, "seed", DatasetKind::per_rank, DType::u64, {}, {}, &seed);
}

TEST(LocalPlan, RefusesWhatCannotBeSaved) {
  EXPECT_EQ(refusal(shard(static_cast<void*>(nullptr), DType::f32, {.global = {4}, .offset = {0}, .extent = {4}})),
            "a null pointer for 16 bytes");
  EXPECT_EQ(refusal(shard(data, DType::f32, {.global = {4}, .offset = {2}, .extent = {3}})),
            "offset (2) and extent (3) do not lie inside the global shape (4)");
  EXPECT_EQ(refusal(shard(data, DType::f32, {.global = {4}, .offset = {~0ULL}, .extent = {2}})),
            "offset (18446744073709551615) and extent (2) do not lie inside the global shape (4)");
  EXPECT_EQ(refusal(shard(data, DType::f32, {.global = {4, 4}, .offset = {2}, .extent = {2, 4}})),
            "the global shape (4, 4) has 2 dimensions, but the offset 1 and the extent 2");
  EXPECT_EQ(refusal(replicated(data, DType::f32, {4, 4}, {1})), "1 strides for 2 dimensions");
  EXPECT_EQ(refusal(replicated(data, DType::f64, {1ULL << 40, 1ULL << 30})),
            "the global shape (1099511627776, 1073741824) of f64 has more bytes than can be counted");
  EXPECT_EQ(refusal(replicated(data, DType::f32, Shape(33, 1))), "33 dimensions; at most 32 are possible");
}

TEST(LocalPlan, TakesEmptyPartsWithoutMemory) {
  EXPECT_EQ(refusal(shard(static_cast<void*>(nullptr), DType::f32, {.global = {4}, .offset = {4}, .extent = {0}})),
            "taken");
  EXPECT_EQ(refusal(replicated(static_cast<void*>(nullptr), DType::f32, {0, 5})), "taken");
}

TEST(LocalPlan, ThrowsTheStatesOwnProblem) {
  StateDict state;
  int number = 0;
  state.add("w", replicated(data, DType::f32, {4}));
  state.add("w", number);
  EXPECT_EQ(refusal(state), "a tensor and a value have this name");
}

/// Two buffers in turn, as a solver has them: what is saved lies where the newest values are.
TEST(LocalPlan, MemoryThatMovesIsAskedForAtEachSave) {
  std::vector<float> front(4), back(4);
  const float* chosen = data;
  StateDict state;
  state.add("u", shard(front, {.global = {4}, .offset = {0}, .extent = {4}}));
  state.add("v", replicated(back, {2, 2}));
  state.add("w", shard([&] { return const_cast<float*>(chosen); }, DType::f32,
                       {.global = {4}, .offset = {0}, .extent = {2}}));
  LocalPlan plan = make_local_plan(state);
  const std::uint64_t fingerprint = plan.fingerprint;
  for (int turn = 0; turn < 3; ++turn) {
    std::swap(front, back);
    ++chosen;
    update(plan, state);
    EXPECT_EQ(plan.memory[0].data, front.data());
    EXPECT_EQ(plan.memory[1].data, back.data());
    EXPECT_EQ(plan.memory[2].data, chosen);
    EXPECT_EQ(plan.fingerprint, fingerprint);
  }
  std::vector<float> other(4);
  StateDict alike;
  alike.add("u", shard(other, {.global = {4}, .offset = {0}, .extent = {4}}));
  alike.add("v", replicated(other, {2, 2}));
  alike.add("w", shard([&] { return other.data(); }, DType::f32, {.global = {4}, .offset = {0}, .extent = {2}}));
  update(plan, alike);
  for (const TensorView& view : plan.memory) EXPECT_EQ(view.data, other.data());
  other.resize(5);
  EXPECT_EQ(refusal(alike, "u"),
            "the vector has 5 elements now, and its box 4: a box of another size is added to a new StateDict");
}

/// What check_boxes() says of boxes of the tensor "w", next to another tensor of the same boxes.
std::string refusal_of_boxes(const std::vector<TensorView>& boxes) {
  StateDict state;
  state.add("a", replicated(data, DType::f32, {4}));
  for (const TensorView& box : boxes) state.add("w", box);
  try {
    check_boxes(make_local_plan(state).items);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_EQ(error.context().tensor, "w");
    return error.message();
  }
  return "taken";
}

TensorView rows(std::uint64_t begin, std::uint64_t end, DType dtype = DType::i32, std::uint64_t all = 8) {
  return shard(data, dtype, {.global = {all, 2}, .offset = {begin, 0}, .extent = {end - begin, 2}});
}

TEST(LocalPlan, BoxesOfOneTensorFitTogetherInASave) {
  EXPECT_EQ(refusal_of_boxes({rows(0, 2), rows(4, 8), rows(2, 4), rows(3, 3), rows(3, 3)}), "taken");
  EXPECT_EQ(
      refusal_of_boxes({rows(6, 8), rows(0, 4), rows(3, 6)}),
      "an overlap: its boxes [0:4, 0:2] and [3:6, 0:2] both have [3:4, 0:2]; in a save, boxes of one rank share no "
      "element");
  EXPECT_EQ(refusal_of_boxes({rows(6, 8), rows(0, 4), rows(6, 8)}),
            "the box [6:8, 0:2] was added twice; in a save, boxes of one rank share no element");
  EXPECT_EQ(refusal_of_boxes({rows(0, 2), rows(4, 8, DType::f32)}),
            "the dtype is i32 for its box [0:2, 0:2] and f32 for its box [4:8, 0:2]");
  EXPECT_EQ(refusal_of_boxes({rows(0, 2), rows(4, 8, DType::i32, 9)}),
            "the global shape is (8, 2) for its box [0:2, 0:2] and (9, 2) for its box [4:8, 0:2]");
  EXPECT_EQ(refusal_of_boxes({replicated(data, DType::i32, {}), replicated(data, DType::i32, {})}),
            "the box [] was added twice; in a save, boxes of one rank share no element");
}

/// Fingerprints of states that are all different in what a plan depends on.
TEST(LocalPlan, FingerprintSeesAllThatAPlanDependsOn) {
  std::int32_t number = 1, other = 1;
  std::int64_t wide = 1;
  std::string four = "four", seven = "sevenxx";
  std::vector<std::int32_t> one{1}, two{1, 1};
  const auto a = [](StateDict& s) { s.add("a", replicated(data, DType::f32, {4, 2})); };
  const std::vector<std::function<void(StateDict&)>> makers = {
      [](StateDict&) {},
      a,
      [](StateDict& s) {
        s.add("b", replicated(data, DType::f32, {4, 2}));
      },
      [](StateDict& s) {
        s.add("a", replicated(data, DType::i32, {4, 2}));
      },
      [](StateDict& s) {
        s.add("a", replicated(data, DType::f32, {2, 4}));
      },
      [](StateDict& s) { s.add("a", replicated(data, DType::f32, {8})); },
      [](StateDict& s) {
        s.add("a", shard(data, DType::f32, {.global = {4, 2}, .offset = {0, 0}, .extent = {2, 2}}));
      },
      [](StateDict& s) {
        s.add("a", shard(data, DType::f32, {.global = {4, 2}, .offset = {2, 0}, .extent = {2, 2}}));
      },
      [&](StateDict& s) { a(s), s.add("b", replicated(data, DType::f32, {1})); },
      [&](StateDict& s) { s.add("b", replicated(data, DType::f32, {1})), a(s); },
      [&](StateDict& s) { s.add("n", number); },
      [&](StateDict& s) { s.add("n", wide); },
      [&](StateDict& s) { s.add_per_rank("n", number); },
      [&](StateDict& s) { s.add("n", one); },
      [&](StateDict& s) { s.add("n", two); },
      [&](StateDict& s) { s.add("n", four); },
      [&](StateDict& s) { s.add("n", seven); },
      [&](StateDict& s) { s.add_per_rank("n", four); },
      [&](StateDict& s) { s.add("n", number), s.add("m", other); },
      [&](StateDict& s) { s.add("m", other), s.add("n", number); },
  };
  std::set<std::uint64_t> fingerprints;
  for (const auto& make : makers) {
    StateDict state;
    make(state);
    fingerprints.insert(make_local_plan(state).fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), makers.size());
}

TEST(LocalPlan, FingerprintIgnoresMemoryAndContents) {
  float elsewhere[64];
  std::int32_t number = 1;
  std::string text = "one";
  StateDict state, moved;
  state.add("a", replicated(data, DType::f32, {4, 2}));
  moved.add("a", replicated(elsewhere, DType::f32, {4, 2}, {8, 1}));
  for (StateDict* s : {&state, &moved}) s->add("n", number), s->add("t", text);
  const LocalPlan before = make_local_plan(state);
  number = 2;
  text = "two";
  const LocalPlan after = make_local_plan(moved);
  EXPECT_EQ(before.fingerprint, after.fingerprint);
  EXPECT_NE(before.values, after.values);
}

void expect_equal(const LocalPlan& a, const LocalPlan& b) {
  EXPECT_EQ(encode(a.items), encode(b.items));
  ASSERT_EQ(a.memory.size(), b.memory.size());
  for (std::size_t i = 0; i < a.memory.size(); ++i) {
    EXPECT_EQ(a.memory[i].data, b.memory[i].data);
    EXPECT_EQ(a.memory[i].shard.stride, b.memory[i].shard.stride);
    EXPECT_EQ(a.memory[i].writable, b.memory[i].writable);
  }
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.tensors, b.tensors);
}

/// Each state after each other one: what one differs in must be seen in the other one's plan.
TEST(LocalPlan, AnUpdateSeesEveryChange) {
  float elsewhere[64];
  const float fixed[64] = {};
  std::int32_t number = 1;
  std::string text = "text";
  const auto tensor = [](void* memory, Shard box, DType dtype = DType::f32) {
    return shard(memory, dtype, std::move(box));
  };
  const std::vector<std::pair<std::string, TensorView>> views = {
      {"a", tensor(data, {{4, 2}, {0, 0}, {4, 2}, {}})},
      {"b", tensor(data, {{4, 2}, {0, 0}, {4, 2}, {}})},
      {"a", tensor(data, {{4, 2}, {0, 0}, {4, 2}, {}}, DType::i32)},
      {"a", tensor(data, {{2, 4}, {0, 0}, {2, 4}, {}})},
      {"a", tensor(data, {{8, 2}, {0, 0}, {4, 2}, {}})},
      {"a", tensor(data, {{8, 2}, {4, 0}, {4, 2}, {}})},
      {"a", tensor(data, {{8, 2}, {4, 0}, {2, 2}, {}})},
      {"a", tensor(data, {{4, 2}, {0, 0}, {4, 2}, {4, 1}})},
      {"a", tensor(elsewhere, {{4, 2}, {0, 0}, {4, 2}, {}})},
      {"a", shard(static_cast<const void*>(fixed), DType::f32, {{4, 2}, {0, 0}, {4, 2}, {}})},
  };
  std::vector<StateDict> states(1);
  for (const auto& [name, view] : views) states.emplace_back().add(name, view);
  for (const auto& [first, second] : {std::pair(views[0], views[1]), std::pair(views[1], views[0])}) {
    states.emplace_back().add(first.first, first.second);
    states.back().add(second.first, second.second);
  }
  const auto with_values = states;
  for (StateDict state : with_values) {
    state.add("n", number);
    state.add_per_rank("t", text);
    states.push_back(std::move(state));
  }
  // The same bytes, as many, under the same name.
  std::vector<std::int32_t> numbers{number};
  std::vector<std::byte> bytes(sizeof number);
  float other = 0;
  states.emplace_back().add("t", number);
  states.emplace_back().add("t", numbers);
  states.emplace_back().add("t", bytes);
  states.emplace_back().add("t", text);
  states.emplace_back().add("t", other);
  states.emplace_back().add("u", number);
  states.emplace_back().add_per_rank("t", number);
  states.emplace_back().add_per_rank("t", numbers);
  for (const StateDict& before : states)
    for (const StateDict& after : states) {
      LocalPlan plan = make_local_plan(before);
      update(plan, after);
      expect_equal(plan, make_local_plan(after));
    }
}

TEST(LocalPlan, AnUpdateSeesValuesThatChange) {
  std::int32_t number = 1;
  std::string text = "text", own = "own";
  StateDict state;
  state.add("w", replicated(data, DType::f32, {4}));
  state.add("n", number);
  state.add("t", text);
  state.add_per_rank("o", own);
  LocalPlan plan = make_local_plan(state);
  const auto changed = [&](bool layout) {
    const LocalPlan before = plan;
    update(plan, state);
    expect_equal(plan, make_local_plan(state));
    EXPECT_EQ(plan.fingerprint != before.fingerprint, layout);
    return plan.values != before.values;
  };
  EXPECT_FALSE(changed(false));
  number = 2;
  EXPECT_TRUE(changed(false));
  text = "Text";
  EXPECT_TRUE(changed(false));
  text = "longer than what a string holds in itself";
  EXPECT_TRUE(changed(true));
  own = "OWN";
  EXPECT_FALSE(changed(false)) << "each rank's own";
  own = "own, but longer";
  EXPECT_FALSE(changed(true));
}

TEST(LocalPlan, AnUpdateTakesWhatWasMovedFromAndWhatIsWrong) {
  StateDict state, wrong;
  state.add("w", replicated(data, DType::f32, {4}));
  wrong.add("w", replicated(data, DType::f32, {4, 4}, {1}));
  LocalPlan plan = make_local_plan(state);
  EXPECT_THROW(update(plan, wrong), Error);
  EXPECT_TRUE(plan.items.empty());
  update(plan, state);
  expect_equal(plan, make_local_plan(state));
  const StateDict taken = std::move(state);
  update(plan, state);  // NOLINT(bugprone-use-after-move): it has no tensors, whatever its checksum says
  EXPECT_EQ(plan.items.size(), state.tensors().size());
}

TEST(LocalPlan, ValuesAreThoseThatMustBeAlike) {
  std::int32_t shared = 1, own = 1;
  StateDict state;
  state.add("shared", shared);
  state.add_per_rank("own", own);
  const LocalPlan first = make_local_plan(state);
  own = 2;
  EXPECT_EQ(make_local_plan(state).values, first.values);
  EXPECT_EQ(make_local_plan(state).items[1].content, 0U);
  shared = 2;
  EXPECT_NE(make_local_plan(state).values, first.values);
  EXPECT_NE(make_local_plan(state).items[0].content, first.items[0].content);
}

}  // namespace
}  // namespace holdfast::plan
