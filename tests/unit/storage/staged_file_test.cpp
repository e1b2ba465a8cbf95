#include <gmock/gmock.h>

#include <fstream>
#include <numeric>

#include "storage/hdf5_layout.hpp"
#include "support/temporary_directory.hpp"
#include "wrap/hdf5_staged.hpp"

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
  const Dataset dataset = DatasetAccess().create(file, path, H5T_NATIVE_INT, {count});
  write(dataset, H5T_NATIVE_INT, select_all(dataset), independent_transfer(), values.data());
}

std::vector<int> read_numbers(hid_t file, const std::string& path) {
  const Dataset dataset = DatasetAccess().open(file, path);
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
    StagedFile file = StagedFile::create(path_);
    write_numbers(file.get(), "/a", 1000);
    EXPECT_EQ(fs::file_size(path_), 0U);
  }
  EXPECT_EQ(fs::file_size(path_), 0U);
}

TEST_F(StagedFileTest, PlainHdf5ReadsWhatFinishWrote) {
  StagedFile file = StagedFile::create(path_);
  create_group(file.get(), "/group");
  for (int i = 0; i < 300; ++i) write_numbers(file.get(), "/group/" + std::to_string(i), 100);
  const std::uint64_t bytes = file.finish().file_bytes;
  EXPECT_EQ(bytes, fs::file_size(path_));

  const File plain = open_to_read(path_);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(read_numbers(plain.get(), "/group/" + std::to_string(i)), numbers(100));
}

TEST_F(StagedFileTest, AnExistingFileIsChangedInPlace) {
  StagedFile created = StagedFile::create(path_);
  write_numbers(created.get(), "/old", 5000);
  write_attribute(open_object(created.get(), "/").get(), "sum", std::uint64_t{0});
  const std::uint64_t bytes = created.finish().file_bytes;

  StagedFile opened = StagedFile::open(path_);
  EXPECT_EQ(read_numbers(opened.get(), "/old"), numbers(5000));
  rewrite_attribute(open_object(opened.get(), "/").get(), "sum", std::uint64_t{77});
  EXPECT_EQ(opened.finish().file_bytes, bytes);

  const File plain = open_to_read(path_);
  EXPECT_EQ(read_u64_attribute(open_object(plain.get(), "/").get(), "sum"), 77U);
  EXPECT_EQ(read_numbers(plain.get(), "/old"), numbers(5000));
}

TEST_F(StagedFileTest, DataThatIsNotWrittenTakesNoMemoryAndNoDisk) {
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  StagedFile file = StagedFile::create(path_);
  const Dataset dataset = DatasetAccess().create(file.get(), "/huge", H5T_NATIVE_UCHAR, {huge});
  EXPECT_TRUE(is_plain(dataset));
  EXPECT_TRUE(address_of(dataset).has_value());
  EXPECT_GE(file.finish().file_bytes, huge);
}

TEST_F(StagedFileTest, AFolderThatIsNotThereIsAnOrdinaryError) {
  try {
    (void)StagedFile::create(directory_.path() / "absent" / "file.h5");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::storage);
    EXPECT_THAT(error.sentence(), testing::HasSubstr("ENOENT"));
  }
}

TEST_F(StagedFileTest, OtherFilesAreRefused) {
  std::ofstream(path_) << "a text";
  EXPECT_THROW((void)StagedFile::open(path_), Failure);
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(StagedFileTest, ALayoutMadeAgainIsTheFileThatIsMadeAnew) {
  const std::vector<plan::Dataset> datasets = {{"a/weight", plan::Kind::tensor, DType::f32, {300000, 2}},
                                               {"a/bias", plan::Kind::tensor, DType::bf16, {7}},
                                               {"note", plan::Kind::string, DType::u8, {5}}};
  const auto make = [&](storage::LayoutMaker& layouts, const char* name, std::int64_t step, storage::Space space) {
    const storage::SaveRequest request{.step = step, .plan = 3, .world_size = 2, .datasets = datasets, .chunks = {}};
    const storage::TableSizes sizes{.datasets = 3, .name_bytes = 9, .chunks = 4, .boxes = 20};
    const auto layout =
        layouts.make(path_.parent_path() / name, request, sizes, "2025-01-01T00:00:0" + std::to_string(step) + "Z", space);
    return std::tuple(layout.file_bytes, layout.addresses, content_of(path_.parent_path() / name));
  };
  storage::LayoutMaker layouts({}), others({});
  make(layouts, "first", 1, storage::Space::fresh);
  const auto anew = make(others, "anew", 2, storage::Space::fresh);
  EXPECT_EQ(make(layouts, "again", 2, storage::Space::fresh), anew);
  EXPECT_EQ(make(layouts, "first", 2, storage::Space::recycled), anew);
}

}  // namespace
}  // namespace holdfast::hdf5
