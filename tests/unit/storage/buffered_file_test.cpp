#include <gmock/gmock.h>

#include <fstream>
#include <numeric>

#include "storage/write/layout_maker.hpp"
#include "support/temporary_directory.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::hdf5 {
namespace {

namespace fs = std::filesystem;

std::vector<int> numbers(std::size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

void write_numbers(hid_t file, const std::string& path, std::size_t count) {
  const auto values = numbers(count);
  const DatasetId dataset = DatasetAccess().create(file, path, H5T_NATIVE_INT, {count});
  write(dataset, H5T_NATIVE_INT, select_all(dataset), independent_transfer(), values.data());
}

std::vector<int> read_numbers(hid_t file, const std::string& path) {
  const DatasetId dataset = DatasetAccess().open(file, path);
  std::vector<int> values(shape_of(dataset).at(0));
  read(dataset, H5T_NATIVE_INT, select_all(dataset), values.data());
  return values;
}

class StagedFileTest : public testing::Test {
 protected:
  test::TemporaryDirectory directory_;
  fs::path path_ = directory_.path() / "file.h5";
  Quiet quiet_;
};

TEST_F(StagedFileTest, NothingReachesTheDiskBeforeFinish) {
  {
    BufferedFile file = BufferedFile::create(path_);
    write_numbers(file.get(), "/a", 1000);
    EXPECT_EQ(fs::file_size(path_), 0U);
  }
  EXPECT_EQ(fs::file_size(path_), 0U);
}

TEST_F(StagedFileTest, PlainHdf5ReadsWhatFinishWrote) {
  BufferedFile file = BufferedFile::create(path_);
  create_group(file.get(), "/group");
  for (int i = 0; i < 300; ++i) write_numbers(file.get(), "/group/" + std::to_string(i), 100);
  const std::uint64_t bytes = file.finish().file_bytes;
  EXPECT_EQ(bytes, fs::file_size(path_));

  const FileId plain(open_file(path_, H5F_ACC_RDONLY, file_access()));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(read_numbers(plain.get(), "/group/" + std::to_string(i)), numbers(100));
}

TEST_F(StagedFileTest, AFileIsMadeAgainWithAChange) {
  BufferedFile created = BufferedFile::create(path_);
  write_numbers(created.get(), "/old", 5000);
  write_attribute(open_object(created.get(), "/").get(), "step", std::int64_t{0});
  const BufferedFile::Image image = created.finish();

  const fs::path again = directory_.path() / "again.h5";
  BufferedFile made = BufferedFile::make_again(again, image, true);
  EXPECT_EQ(read_numbers(made.get(), "/old"), numbers(5000));
  rewrite_attribute(open_object(made.get(), "/").get(), "step", std::int64_t{77});
  EXPECT_EQ(made.finish().file_bytes, image.file_bytes);

  const FileId plain(open_file(again, H5F_ACC_RDONLY, file_access()));
  EXPECT_EQ(read_i64_attribute(open_object(plain.get(), "/").get(), "step"), 77);
  EXPECT_EQ(read_numbers(plain.get(), "/old"), numbers(5000));
}

/// HDF5 hands the metadata over in pieces; those that touch are kept, and written, as one.
TEST_F(StagedFileTest, WhatTouchesIsOnePart) {
  BufferedFile file = BufferedFile::create(path_);
  create_group(file.get(), "/group");
  for (int i = 0; i < 300; ++i) write_numbers(file.get(), "/group/" + std::to_string(i), 100);
  std::uint64_t end = 0;
  for (const auto& [offset, bytes] : file.finish().parts) {
    EXPECT_TRUE(end == 0 || offset > end) << offset;
    end = offset + bytes.size();
  }
}

TEST_F(StagedFileTest, DataThatIsNotWrittenTakesNoMemoryAndNoDisk) {
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  BufferedFile file = BufferedFile::create(path_);
  const DatasetId dataset = DatasetAccess().create(file.get(), "/huge", H5T_NATIVE_UCHAR, {huge});
  EXPECT_TRUE(is_plain(dataset));
  EXPECT_TRUE(address_of(dataset).has_value());
  EXPECT_GE(file.finish().file_bytes, huge);
}

TEST_F(StagedFileTest, AFolderThatIsNotThereIsAnOrdinaryError) {
  try {
    (void)BufferedFile::create(directory_.path() / "absent" / "file.h5");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::storage);
    EXPECT_THAT(error.message(), testing::HasSubstr("ENOENT"));
  }
}

TEST_F(StagedFileTest, AnImageThatIsNoneIsRefused) {
  const BufferedFile::Image foreign{.parts = {{0, std::vector<std::byte>(3000, std::byte{7})}}, .file_bytes = 3000};
  EXPECT_THROW((void)BufferedFile::make_again(path_, foreign, true), Failure);
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(StagedFileTest, ALayoutMadeAgainIsTheFileThatIsMadeAnew) {
  const std::vector<plan::Dataset> datasets = {{"a/weight", plan::DatasetKind::tensor, DType::f32, {300000, 2}},
                                               {"a/bias", plan::DatasetKind::tensor, DType::bf16, {7}},
                                               {"note", plan::DatasetKind::string, DType::u8, {5}}};
  const auto make = [&](storage::LayoutMaker& layouts, const char* name, std::int64_t step, storage::FileSpace space,
                        std::vector<storage::SequenceRange> abandoned = {}) {
    const storage::SaveRequest request{.step = step, .plan = 3, .world_size = 2, .datasets = datasets, .chunks = {}};
    storage::TableSizes sizes = storage::sizes_of(datasets);
    sizes.chunks = 4, sizes.boxes = 20, sizes.parts = 3;
    const storage::Title title{
        .created = "2025-01-01T00:00:0" + std::to_string(step) + "Z",
        .lineage = {.sequence = 10 + step, .parent = 9 + step, .abandoned = std::move(abandoned)}};
    const auto layout = layouts.make(path_.parent_path() / name, request, sizes, title, space);
    return std::tuple(layout.file_bytes, layout.addresses, layout.tables.chunks, layout.tables.boxes,
                      layout.tables.parts, layouts.definitions().value(), content_of(path_.parent_path() / name));
  };
  storage::LayoutMaker layouts({}), others({});
  make(layouts, "first", 1, storage::FileSpace::fresh);
  const auto anew = make(others, "anew", 2, storage::FileSpace::fresh);
  EXPECT_EQ(make(layouts, "again", 2, storage::FileSpace::fresh), anew);
  EXPECT_EQ(make(layouts, "first", 2, storage::FileSpace::recycled), anew);
  // After the program went back, the metadata has another size.
  const auto after_going_back = make(others, "anew", 3, storage::FileSpace::fresh, {{4, 5}, {7, 9}});
  EXPECT_EQ(make(layouts, "again", 3, storage::FileSpace::fresh, {{4, 5}, {7, 9}}), after_going_back);
  make(layouts, "again", 2, storage::FileSpace::fresh, {{3, 3}, {8, 8}});
  EXPECT_EQ(make(layouts, "again", 3, storage::FileSpace::recycled, {{4, 5}, {7, 9}}), after_going_back);
}

TEST_F(StagedFileTest, AListOfNumbersIsReadBackHoweverLong) {
  for (const std::size_t count : {0, 2, 7, 5000, 20000}) {
    std::vector<std::int64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), -3);
    BufferedFile file = BufferedFile::create(path_);
    write_attribute(open_object(file.get(), "/").get(), "numbers", numbers);
    write_attribute(open_object(file.get(), "/").get(), "number", 7);
    file.finish();
    const BufferedFile read = BufferedFile::open_to_read(path_);
    EXPECT_EQ(read_i64s_attribute(open_object(read.get(), "/").get(), "numbers"), numbers);
    EXPECT_THROW((void)read_i64s_attribute(open_object(read.get(), "/").get(), "number"), Failure);
  }
}

/// Two layouts in turn are made once each. That one was kept is seen by a request that says another thing under its
/// number.
TEST_F(StagedFileTest, TheLastTwoLayoutsAreKept) {
  const auto bytes_of = [&](storage::LayoutMaker& layouts, std::uint64_t plan, std::uint64_t elements) {
    const std::vector<plan::Dataset> datasets = {{"w", plan::DatasetKind::tensor, DType::u8, {elements}}};
    const storage::SaveRequest request{.step = 1, .plan = plan, .world_size = 1, .datasets = datasets, .chunks = {}};
    return layouts
        .make(path_, request, storage::sizes_of(datasets), {.created = "2025-01-01T00:00:00Z", .lineage = {}},
              storage::FileSpace::fresh)
        .file_bytes;
  };
  storage::LayoutMaker layouts({});
  const std::uint64_t small = bytes_of(layouts, 1, 100'000), large = bytes_of(layouts, 2, 900'000);
  EXPECT_EQ(large - small, 800'000);
  EXPECT_EQ(bytes_of(layouts, 1, 50), small);
  EXPECT_EQ(bytes_of(layouts, 2, 50), large);
  bytes_of(layouts, 3, 50);
  EXPECT_EQ(bytes_of(layouts, 2, 50), large);
  EXPECT_LT(bytes_of(layouts, 1, 50), small);
}

}  // namespace
}  // namespace holdfast::hdf5
