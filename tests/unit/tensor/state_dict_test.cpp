#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <complex>
#include <holdfast/state_dict.hpp>

namespace holdfast {
namespace {

float data[4];

StateDict with_names(const std::vector<std::string>& names) {
  StateDict state;
  for (const std::string& name : names) state.add(name, replicated(data, DType::f32, {4}));
  return state;
}

std::string problem_of(const StateDict& state) {
  return state.problem() ? state.problem()->message() : "none";
}

TEST(StateDict, TakesPaths) {
  const StateDict state =
      with_names({"w", "model/net1/weight", "model/net1/bias", "a.b/c..d/..e", "ä/ß ü", std::string(1024, 'x')});
  EXPECT_EQ(problem_of(state), "none");
  EXPECT_EQ(state.tensors().size(), 6U);
}

TEST(StateDict, RefusesBadNames) {
  EXPECT_EQ(problem_of(with_names({""})), "the name is empty");
  EXPECT_EQ(problem_of(with_names({"/w"})), "the name starts with '/'");
  EXPECT_EQ(problem_of(with_names({"a//w"})),
            "the name has an empty component: two slashes in a row, or one at the end");
  EXPECT_EQ(problem_of(with_names({"a/"})), "the name has an empty component: two slashes in a row, or one at the end");
  for (const char* name : {"..", ".", "../w", "a/../w", "a/./w", "a/.."})
    EXPECT_EQ(problem_of(with_names({name})), "the name has the component '.' or '..'") << name;
  for (const std::string& name : {std::string("a\nb"), std::string("a\x7f"), std::string("a\0b", 3)})
    EXPECT_EQ(problem_of(with_names({name})), "the name has a control character");
  EXPECT_EQ(problem_of(with_names({std::string(1025, 'x')})), "the name is longer than 1024 bytes");
}

TEST(StateDict, TheErrorNamesTheTensor) {
  const StateDict state = with_names({"a\tb"});
  ASSERT_TRUE(state.problem());
  EXPECT_EQ(state.problem()->code(), ErrorCode::invalid_argument);
  EXPECT_EQ(state.problem()->context().tensor, "a?b");
}

TEST(StateDict, ATensorMayHaveSeveralBoxes) {
  const StateDict state = with_names({"a", "b", "a"});
  EXPECT_FALSE(state.problem());
  EXPECT_EQ(state.tensors().size(), 3U);
}

TEST(StateDict, RefusesAValueWhoseNameIsTaken) {
  int number = 0, other = 0;
  StateDict state = with_names({"a"});
  state.add("a", number);
  EXPECT_EQ(problem_of(state), "a tensor and a value have this name");
  EXPECT_TRUE(state.values().empty());
  StateDict reverse;
  reverse.add("a", number);
  reverse.add("a", replicated(&other, DType::i32, {1}));
  EXPECT_EQ(problem_of(reverse), "a tensor and a value have this name");
  StateDict values;
  values.add("a", number);
  values.add_per_rank("a", other);
  EXPECT_EQ(problem_of(values), "two values have this name");
  EXPECT_EQ(values.values().size(), 1U);
}

TEST(StateDict, KeepsTheFirstProblem) {
  const StateDict state = with_names({"good", "", "/bad"});
  EXPECT_EQ(problem_of(state), "the name is empty");
  EXPECT_EQ(state.tensors().size(), 1U);
}

TEST(StateDict, TakesManyNames) {
  std::vector<std::string> names;
  for (int i = 0; i < 100'000; ++i) names.push_back("layer/" + std::to_string(i));
  EXPECT_EQ(problem_of(with_names(names)), "none");
}

TEST(StateDict, SaysWhichValuesAreEachRanksOwn) {
  int number = 0;
  std::string text;
  StateDict state;
  state.add("shared", number);
  state.add_per_rank("own", text);
  ASSERT_EQ(state.values().size(), 2U);
  EXPECT_FALSE(state.values()[0].per_rank);
  EXPECT_TRUE(state.values()[1].per_rank);
}

TEST(ValueRef, OfANumberIsItsMemory) {
  std::int64_t number = 5;
  const ValueRef ref(number);
  EXPECT_EQ(ref.kind(), ValueRef::Kind::number);
  EXPECT_EQ(ref.dtype(), DType::i64);
  EXPECT_EQ(ref.bytes().size(), 8U);
  EXPECT_EQ(static_cast<void*>(ref.bytes().data()), &number);
  bool flag = true;
  EXPECT_EQ(ValueRef(flag).dtype(), DType::boolean);
}

template <class T>
void check_resizable(T value, ValueRef::Kind kind, DType dtype, std::size_t element_bytes) {
  const ValueRef ref(value);
  EXPECT_EQ(ref.kind(), kind);
  EXPECT_EQ(ref.dtype(), dtype);
  EXPECT_EQ(ref.bytes().size(), value.size() * element_bytes);
  EXPECT_EQ(ref.room(1000).size(), 1000 * element_bytes);
  EXPECT_EQ(value.size(), 1000U);
  EXPECT_FALSE(ref.fixed_count());
  EXPECT_EQ(ref.bytes().size(), 1000 * element_bytes);
  EXPECT_EQ(static_cast<void*>(ref.bytes().data()), value.data());
}

TEST(ValueRef, OfVectorsAndStringsFollowsTheirSize) {
  check_resizable(std::string("abc"), ValueRef::Kind::string, DType::u8, 1);
  check_resizable(std::vector<std::byte>(3), ValueRef::Kind::numbers, DType::u8, 1);
  check_resizable(std::vector<double>{1, 2}, ValueRef::Kind::numbers, DType::f64, 8);
  check_resizable(std::vector<std::uint16_t>{}, ValueRef::Kind::numbers, DType::u16, 2);
}

template <class T>
void check_fixed(T& value, ValueRef::Kind kind, DType dtype, std::size_t count) {
  const ValueRef ref(value);
  EXPECT_EQ(ref.kind(), kind);
  EXPECT_EQ(ref.dtype(), dtype);
  EXPECT_EQ(ref.fixed_count(), count);
  EXPECT_EQ(ref.bytes().size(), count * size_of(dtype));
  EXPECT_EQ(ref.room(count).data(), ref.bytes().data());
}

TEST(ValueRef, OfWhatCannotGrow) {
  enum class Mode : std::int16_t { fast = -2 } mode = Mode::fast;
  int array[3] = {};
  std::array<double, 2> pair{};
  std::vector<float> memory(5);
  std::span<float> some = std::span(memory).subspan(1, 3);
  std::complex<float> number;
  check_fixed(mode, ValueRef::Kind::number, DType::i16, 1);
  check_fixed(array, ValueRef::Kind::numbers, DType::i32, 3);
  check_fixed(pair, ValueRef::Kind::numbers, DType::f64, 2);
  check_fixed(some, ValueRef::Kind::numbers, DType::f32, 3);
  check_fixed(number, ValueRef::Kind::number, DType::c64, 1);
  struct {
    int a;
    float b;
  } both{};
  EXPECT_EQ(raw_bytes(both).fixed_count(), 8U);
  EXPECT_EQ(static_cast<void*>(raw_bytes(both).bytes().data()), &both);
}

TEST(ValueRef, OfStringsIsOneStringInWhichANulEndsEach) {
  std::vector<std::string> names = {"a", "", "bc"};
  const ValueRef ref(names);
  EXPECT_EQ(ref.kind(), ValueRef::Kind::string);
  const std::span<std::byte> bytes = ref.bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), std::string("a\0\0bc\0", 6));
  const std::string other("x\0yz\0", 5);
  std::ranges::copy(std::as_bytes(std::span(other)), ref.room(other.size()).begin());
  ref.loaded();
  EXPECT_EQ(names, (std::vector<std::string>{"x", "yz"}));
  static_cast<void>(ref.room(0));
  ref.loaded();
  EXPECT_TRUE(names.empty());
  names = {std::string("a\0b", 3)};
  EXPECT_THROW(static_cast<void>(ref.bytes()), Error);
}

}  // namespace
}  // namespace holdfast
