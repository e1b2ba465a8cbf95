#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <fstream>

#include "inspect/inspect.hpp"
#include "sample_checkpoint.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast::inspect {
namespace {

using test::bytes_of;
using test::SampleCheckpoint;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Verify : public testing::Test {
 protected:
  test::TemporaryDirectory directory;
};

TEST_F(Verify, AWholeFileHasNoProblemsAndIsReadToItsEnd) {
  const auto file = test::small_sample().save(directory.path(), 1);
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  const VerifyReport report = verify(file, [&](std::uint64_t bytes, std::uint64_t all) {
    done.push_back(bytes);
    total = all;
  });
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.path, file);
  EXPECT_EQ(report.bytes, 12 * 4 + 3 * 2 + 8 + 8 + 5 + 2 * 8u);
  EXPECT_EQ(report.chunks, 2 + 2 + 1 + 1 + 1 + 2u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), report.bytes);
  EXPECT_EQ(total, report.bytes);
}

TEST_F(Verify, NamesTensorAndRankOfEveryFlippedByte) {
  const auto file = test::small_sample().save(directory.path(), 1);
  test::flip_byte(file, bytes_of(std::vector<float>{6, 7, 8, 9, 10, 11}));  // rank 1's rows
  test::flip_byte(file, bytes_of(std::string("hello")));
  EXPECT_THAT(verify(file, {}).problems,
              ElementsAre(AllOf(HasSubstr("model/weight"), HasSubstr("rank 1")), HasSubstr("note")));
}

/// Our tables and the bytes are whole, and a load would do; but h5dump would not find the value.
TEST_F(Verify, NamesWhatHdf5DoesNotFind) {
  const auto path = test::small_sample().save(directory.path(), 1);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  EXPECT_GE(H5Ldelete(file, "/state/epoch", H5P_DEFAULT), 0);
  H5Fclose(file);
  const VerifyReport report = verify(path, {});
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("epoch")));
  EXPECT_EQ(report.chunks, 9U) << "the chunks are looked at all the same";
}

TEST_F(Verify, FindsAHole) {
  SampleCheckpoint sample;
  sample.dataset({"holey", plan::DatasetKind::tensor, DType::u8, {4, 2}});
  sample.chunk(0, {{0, 0}, {3, 2}}, Bytes(6));
  EXPECT_THAT(verify(sample.save(directory.path(), 1), {}).problems,
              ElementsAre(AllOf(HasSubstr("\"holey\""), HasSubstr("[3:4, 0:2]"))));
}

TEST_F(Verify, FindsAnOverlapThatHidesAHole) {
  SampleCheckpoint sample;
  sample.dataset({"twice", plan::DatasetKind::tensor, DType::u8, {4}});
  sample.chunk(0, {{0}, {2}}, Bytes(2));
  sample.chunk(1, {{1}, {2}}, Bytes(2));  // the volumes add up to 4
  EXPECT_THAT(verify(sample.save(directory.path(), 1), {}).problems,
              ElementsAre(AllOf(HasSubstr("\"twice\""), HasSubstr("rank 0"), HasSubstr("rank 1"), HasSubstr("[1:2]"))));
}

TEST_F(Verify, EmptyTensorsAndEmptyPartsAreWhole) {
  SampleCheckpoint sample;
  sample.dataset({"nothing", plan::DatasetKind::tensor, DType::f32, {0, 3}});
  sample.dataset({"uneven", plan::DatasetKind::tensor, DType::u8, {2}});
  sample.chunk(0, {{0}, {2}}, Bytes(2));
  sample.chunk(1, {{2}, {0}}, {});
  EXPECT_THAT(verify(sample.save(directory.path(), 1), {}).problems, IsEmpty());
}

TEST_F(Verify, ReportsWhatIsNoCheckpointInsteadOfThrowing) {
  const auto text = directory.path() / "text.h5";
  std::ofstream(text) << "not HDF5 at all";
  EXPECT_THAT(verify(text, {}).problems, ElementsAre(HasSubstr("text.h5")));
  EXPECT_THAT(verify(directory.path() / "absent.h5", {}).problems, ElementsAre(HasSubstr("absent.h5")));
  EXPECT_THAT(verify(directory.path(), {}).problems, testing::SizeIs(1));
}

TEST_F(Verify, EveryTruncationIsFound) {
  const auto file = test::small_sample().save(directory.path(), 1);
  const auto cut = directory.path() / "cut.h5";
  const auto whole = std::filesystem::file_size(file);
  for (std::uintmax_t size = 0; size < whole; size += whole / 23) {
    std::filesystem::copy_file(file, cut, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(cut, size);
    EXPECT_THAT(verify(cut, {}).problems, testing::Not(IsEmpty())) << size << " of " << whole;
  }
}

}  // namespace
}  // namespace holdfast::inspect
