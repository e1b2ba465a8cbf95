#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <holdfast/checkpoint_reader.hpp>
#include <numeric>

#include "sample_checkpoint.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast {
namespace {

using test::bytes_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Reader : public testing::Test {
 protected:
  [[nodiscard]] CheckpointReader open(const ReaderOptions& options = {}) const {
    return CheckpointReader(path_, options);
  }
  /// The error that a call with the reader throws.
  template <class Call>
  Error error_of(Call&& call) const {
    try {
      call(open());
    } catch (const Error& error) {
      EXPECT_EQ(error.context().path, path_.string());
      return error;
    }
    ADD_FAILURE() << "no error";
    return {ErrorCode::internal, ""};
  }
  /// Rewrites the file as h5repack does with these options.
  void repack(const std::string& options) {
    const std::filesystem::path to = directory_.path() / "repacked.h5";
    ASSERT_EQ(std::system(("h5repack " + options + " " + path_.string() + " " + to.string()).c_str()), 0);
    path_ = to;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = test::small_sample().save(directory_.path(), 100, 5, 4);
};

TEST_F(Reader, ListsWhatIsThere) {
  const CheckpointReader reader = open();
  EXPECT_EQ(reader.info().step, 100);
  EXPECT_EQ(reader.info().world_size, 2);
  EXPECT_TRUE(reader.has_checksums());
  EXPECT_THAT(reader.entries(), ElementsAre(SavedEntry{"epoch", SavedKind::value, false, DType::i64, {}},
                                            SavedEntry{"model/bias", SavedKind::tensor, false, DType::bf16, {3}},
                                            SavedEntry{"model/weight", SavedKind::tensor, false, DType::f32, {4, 3}},
                                            SavedEntry{"note", SavedKind::string, false, DType::u8, {5}},
                                            SavedEntry{"rate", SavedKind::value, false, DType::f64, {}},
                                            SavedEntry{"seed", SavedKind::value, true, DType::u64, {2}}));
  EXPECT_EQ(reader.find("model/bias")->dtype, DType::bf16);
  EXPECT_EQ(reader.find("model"), nullptr);
  const std::vector<SavedBox> boxes = reader.boxes("model/weight");
  ASSERT_EQ(boxes.size(), 2U);
  EXPECT_EQ(boxes[1].rank, 1);
  EXPECT_EQ(boxes[1].offset, (Shape{2, 0}));
  EXPECT_EQ(boxes[1].extent, (Shape{2, 3}));
}

TEST_F(Reader, ReadsValues) {
  const CheckpointReader reader = open();
  EXPECT_EQ(reader.number<std::int64_t>("epoch"), 7);
  EXPECT_EQ(reader.number<double>("rate"), 0.5);
  EXPECT_EQ(reader.string("note"), "hello");
  EXPECT_EQ(reader.number<std::uint64_t>("seed", 1), 101U);
  EXPECT_THAT(reader.numbers<std::uint64_t>("seed", 0), ElementsAre(100U));
  EXPECT_EQ(reader.bytes("note").size(), 5U);
}

/// Any box, into any memory, verified or not.
TEST_F(Reader, ReadsBoxesOfTensors) {
  for (const bool verify : {true, false}) {
    const CheckpointReader reader = open({.verify = verify});
    std::array<float, 10> rows{};
    rows.fill(-1);
    reader.read("model/weight", shard(static_cast<void*>(rows.data() + 1), DType::f32,
                                      {.global = {4, 3}, .offset = {1, 1}, .extent = {2, 2}, .stride = {4, 2}}));
    EXPECT_THAT(rows, ElementsAre(-1, 4, -1, 5, -1, 7, -1, 8, -1, -1));
    reader.read("model/weight",
                shard(static_cast<void*>(nullptr), DType::f32, {.global = {4, 3}, .offset = {4, 0}, .extent = {0, 3}}));
  }
}

TEST_F(Reader, SaysWhatDoesNotFit) {
  float place{};
  const auto read = [&](const char* name, DType dtype, const Shape& offset) {
    return error_of([&](const CheckpointReader& reader) {
      reader.read(name, shard(static_cast<void*>(&place), dtype,
                              {.global = {4, 3}, .offset = offset, .extent = Shape(offset.size(), 1)}));
    });
  };
  EXPECT_EQ(read("model/wieght", DType::f32, {0, 0}).code(), ErrorCode::not_found);
  EXPECT_THAT(read("model/wieght", DType::f32, {0, 0}).message(), HasSubstr("which has model/weight"));
  EXPECT_EQ(read("model/weight", DType::f64, {0, 0}).message(), "the dtype is f32 in the file, and f64 in the program");
  EXPECT_EQ(read("model/weight", DType::f32, {4, 0}).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(read("model/weight", DType::f32, {0}).code(), ErrorCode::invalid_argument);
  const auto read_into = [&](const TensorView& view) {
    return error_of([&](const CheckpointReader& reader) { reader.read("model/weight", view); });
  };
  EXPECT_EQ(read_into(replicated(&place, DType::f32, {12})).code(), ErrorCode::mismatch);
  EXPECT_THAT(read_into(replicated(static_cast<void*>(nullptr), DType::f32, {4, 3})).message(),
              HasSubstr("null pointer"));
  EXPECT_THAT(read_into(replicated(&place, DType::f32, {4, 3}, {1})).message(), HasSubstr("strides"));
  EXPECT_THAT(read_into(replicated(&place, DType::f32, {4, 3}, {0, 0})).message(), HasSubstr("same place"));
  EXPECT_THAT(read_into(replicated(static_cast<const void*>(&place), DType::f32, {4, 3})).message(),
              HasSubstr("const"));
  std::vector<float> small(5);
  EXPECT_THAT(read_into(replicated(small, {4, 3})).message(), HasSubstr("has 5 elements now, and its box 12"));
  const auto code_of = [&](auto&& call) { return error_of(call).code(); };
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.number<int>("epoch"); }), ErrorCode::mismatch);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.number<char>("note"); }), ErrorCode::mismatch);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.string("epoch"); }), ErrorCode::mismatch);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.bytes("model/weight"); }), ErrorCode::mismatch);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.bytes("seed"); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.bytes("epoch", 0); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([](const CheckpointReader& r) { (void)r.bytes("seed", 2); }), ErrorCode::not_found);
}

/// A byte outside of the box, in the chunk that the box is part of.
TEST_F(Reader, ADamagedByteIsNoticedWhereItsChunkIsRead) {
  test::flip_byte(path_, bytes_of(std::vector<float>{9, 10, 11}));
  std::array<float, 3> row{};
  const auto read = [&](const CheckpointReader& reader, std::uint64_t number) {
    reader.read("model/weight", shard(static_cast<void*>(row.data()), DType::f32,
                                      {.global = {4, 3}, .offset = {number, 0}, .extent = {1, 3}}));
  };
  EXPECT_EQ(error_of([&](const CheckpointReader& reader) { read(reader, 2); }).code(), ErrorCode::corrupt);
  EXPECT_NO_THROW(read(open(), 1));
  EXPECT_NO_THROW(read(open({.verify = false}), 2));
  EXPECT_THAT(row, ElementsAre(6, 7, 8));
  const std::vector<Error> problems = open().verify();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].context().tensor, "model/weight");
}

TEST_F(Reader, ReadsWhatH5repackMadeOfIt) {
  for (const char* options : {"-f GZIP=4", "-f SHUF -f GZIP=9 -f FLET", "-l state/model/weight:CHUNK=3x2",
                              "-l state/model/weight,state/rate:COMPA"}) {
    path_ = test::small_sample().save(directory_.path(), 100, 5, 4);
    repack(options);
    const CheckpointReader reader = open();
    EXPECT_THAT(reader.verify(), IsEmpty()) << options;
    std::array<float, 12> weight{}, expected{};
    std::iota(expected.begin(), expected.end(), 0.0F);
    reader.read("model/weight", replicated(static_cast<void*>(weight.data()), DType::f32, {4, 3}));
    EXPECT_EQ(weight, expected) << options;
    EXPECT_EQ(reader.number<std::int64_t>("epoch"), 7) << options;
    EXPECT_EQ(reader.string("note"), "hello") << options;
  }
}

}  // namespace
}  // namespace holdfast
