// Damaged files: the reader says what is wrong, or what it reads is exactly what was saved. It never crashes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>

#include "sample_save.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/format.hpp"
#include "storage/read/head.hpp"
#include "storage/read/source.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using test::SampleSave;
using testing::HasSubstr;

/// All dtypes and kinds, but small, so that many damages can be tried and most hit something.
SampleSave small_sample() {
  SampleSave sample(1);
  for (int i = 0; i < dtype_count; ++i)
    sample.add({"group/" + std::string(to_string(static_cast<DType>(i))),
                plan::DatasetKind::tensor,
                static_cast<DType>(i),
                {16, 8}});
  sample.add({"large", plan::DatasetKind::tensor, DType::f32, {20, 128}});
  sample.add({"text", plan::DatasetKind::string, DType::u8, {30}});
  sample.add({"rng", plan::DatasetKind::per_rank, DType::u32, {5}});
  return sample;
}

class Damage : public testing::Test {
 protected:
  Damage() {
    path_ = store().save(sample_.request(7, 0)).path;
    bytes_ = fs::file_size(path_);
  }
  ~Damage() override { comm_.free(); }

  CheckpointStore store() {
    return {comm_,
            make_posix_filesystem(),
            make_checkpoint_file(comm_),
            {.directory = directory_.path(), .nonce = "n", .holder = "test"}};
  }

  /// The code of the error that reading everything throws; nothing if it is all there. Wrong content fails the test.
  std::optional<ErrorCode> outcome() {
    try {
      const auto reader_source = open_whole(path_);
      const Source& reader = *reader_source;
      for (const ChunkRecord& chunk : reader.chunks()) reader.verify(chunk);
      EXPECT_EQ(test::mistake(path_, sample_, 7), "");
      return {};
    } catch (const Error& error) {
      EXPECT_EQ(error.context().path, path_.string());
      return error.code();
    }
  }

  void flip(std::uint64_t at, std::byte mask) {
    const FileDescriptor file(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    std::byte value{};
    ASSERT_EQ(::pread(file.get(), &value, 1, static_cast<off_t>(at)), 1);
    value ^= mask;
    ASSERT_EQ(::pwrite(file.get(), &value, 1, static_cast<off_t>(at)), 1);
  }

  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_SELF);
  holdfast::test::TemporaryDirectory directory_;
  SampleSave sample_ = small_sample();
  fs::path path_;
  std::uint64_t bytes_ = 0;
};

TEST_F(Damage, AWholeFileIsFine) {
  EXPECT_EQ(outcome(), std::nullopt);
}

TEST_F(Damage, EveryTruncationIsCorrupt) {
  std::vector<std::uint64_t> lengths = {0, 1, 7, 8, 47, 48, 96, bytes_ - 1};
  for (int i = 1; i < 50; ++i) lengths.push_back(bytes_ * static_cast<std::uint64_t>(i) / 50);
  std::ranges::sort(lengths, std::greater{});
  for (const std::uint64_t length : lengths) {
    fs::resize_file(path_, length);
    EXPECT_EQ(outcome(), ErrorCode::corrupt) << length;
  }
}

TEST_F(Damage, AFlippedByteIsFoundOrDoesNoHarm) {
  std::mt19937_64 random(20250131);
  int found = 0, harmless = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t at = std::uniform_int_distribution<std::uint64_t>(0, bytes_ - 1)(random);
    const auto mask = static_cast<std::byte>(std::uniform_int_distribution<int>(1, 255)(random));
    flip(at, mask);
    ++(outcome() ? found : harmless);
    flip(at, mask);
    ASSERT_FALSE(HasFailure()) << "byte " << at << " of " << bytes_;
  }
  EXPECT_EQ(outcome(), std::nullopt);
  std::printf("%d flips found, %d in bytes that mean nothing\n", found, harmless);
  EXPECT_GT(found, 1000);
}

TEST_F(Damage, TheFirstBytesAreAllGuarded) {
  for (std::uint64_t at = 0; at < 48; ++at) {
    flip(at, std::byte{0xff});
    EXPECT_TRUE(outcome().has_value()) << at;
    flip(at, std::byte{0xff});
  }
}

TEST_F(Damage, AFlippedByteOfATensorNamesIt) {
  const auto reader_source = open_whole(path_);
  const Source& reader = *reader_source;
  const std::uint32_t large = reader.names().find("large").value();
  {
    const hdf5::Quiet quiet;
    const hdf5::BufferedFile file = hdf5::BufferedFile::open_to_read(path_);
    flip(hdf5::address_of(hdf5::DatasetAccess().open(file.get(), "/state/large")).value() + 100, std::byte{4});
  }
  const auto chunk = std::ranges::find(reader.chunks(), large, &ChunkRecord::dataset);
  ASSERT_NE(chunk, reader.chunks().end());
  try {
    open_whole(path_)->verify(*chunk);
    ADD_FAILURE() << "not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(error.context().tensor, "large");
    EXPECT_THAT(error.message(), HasSubstr("[0:20, 0:128]"));
    EXPECT_THAT(error.message(), HasSubstr("rank 0"));
  }
}

TEST_F(Damage, FilesOfOthersAreCorrupt) {
  std::ofstream(path_, std::ios::trunc) << std::string(5000, 'a');
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  hdf5::BufferedFile foreign = hdf5::BufferedFile::create(path_);
  hdf5::create_group(foreign.get(), "/state");
  foreign.finish();
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  EXPECT_THROW((void)read_head(path_), Error);
}

TEST_F(Damage, WhatIsNoFileSaysSo) {
  path_ = directory_.path() / "absent.h5";
  EXPECT_EQ(outcome(), ErrorCode::storage);
  path_ = directory_.path();
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  path_ = "/dev/null";
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
}

/// For changes through HDF5, so that all metadata checksums are right.
hdf5::FileId open_to_change(const fs::path& path) {
  return hdf5::FileId(H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access().get()));
}

void set_attribute(const fs::path& path, const char* name, std::int64_t value) {
  const hdf5::FileId file = open_to_change(path);
  hdf5::rewrite_attribute(hdf5::open_object(file.get(), "/").get(), name, value);
}

TEST_F(Damage, AnotherVersionIsUnsupported) {
  for (const std::int64_t version : {format::oldest_version - 1, format::version + 1}) {
    set_attribute(path_, format::attr_version, version);
    EXPECT_EQ(outcome(), ErrorCode::unsupported_version) << version;
  }
}

TEST_F(Damage, ImpossibleHeadersAreCorrupt) {
  for (const auto& [name, right] : {std::pair(format::attr_world_size, std::int64_t{1}),
                                    {format::attr_step, 7},
                                    {format::attr_version, format::version},
                                    {format::attr_sequence, 1}}) {
    set_attribute(path_, name, -5);
    EXPECT_EQ(outcome(), ErrorCode::corrupt) << name;
    set_attribute(path_, name, right);
    EXPECT_EQ(outcome(), std::nullopt) << name;
  }
}

TEST_F(Damage, AParentThatIsNotBeforeItsChildIsCorrupt) {
  set_attribute(path_, format::attr_parent, 1);
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  EXPECT_THROW((void)read_head(path_), Error);
}

TEST_F(Damage, EveryByteOfTheTablesIsGuarded) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  {
    const hdf5::BufferedFile file = hdf5::BufferedFile::open_to_read(path_);
    for (const char* path : {format::datasets_table, format::shapes_table, format::chunks_table, format::boxes_table,
                             format::parts_table}) {
      const hdf5::DatasetId table = hdf5::DatasetAccess().open(file.get(), path);
      places.emplace_back(hdf5::address_of(table).value(),
                          hdf5::shape_of(table).at(0) * hdf5::size_of(hdf5::type_of(table)));
    }
  }
  for (const auto& [address, bytes] : places)
    for (std::uint64_t at = address; at < address + bytes; ++at) {
      flip(at, std::byte{0x40});
      EXPECT_EQ(outcome(), ErrorCode::corrupt) << at - address << " of the " << bytes << " bytes at " << address;
      flip(at, std::byte{0x40});
    }
  EXPECT_EQ(outcome(), std::nullopt);
}

/// A load does without it and reads what was saved, or says that it cannot; who verifies the file hears of it.
TEST_F(Damage, ADatasetThatHdf5SeesOtherwiseIsNamed) {
  const auto replace = [&](const std::function<void(hid_t)>& make) {
    const hdf5::FileId file = open_to_change(path_);
    H5Ldelete(file.get(), "/state/large", H5P_DEFAULT);
    make(file.get());
  };
  const auto expect_named = [&] {
    const std::vector<Error> differences = open_whole(path_)->other_views();
    ASSERT_EQ(differences.size(), 1U);
    EXPECT_EQ(differences[0].code(), ErrorCode::corrupt);
    EXPECT_EQ(differences[0].context().tensor, "large");
    EXPECT_EQ(differences[0].context().path, path_.string());
    (void)outcome();
  };
  EXPECT_TRUE(open_whole(path_)->other_views().empty());
  replace([](hid_t file) { hdf5::DatasetAccess().create(file, "/state/large", H5T_IEEE_F32BE, {20, 128}); });
  expect_named();
  replace([](hid_t file) { hdf5::DatasetAccess().create(file, "/state/large", H5T_IEEE_F32LE, {128, 20}); });
  expect_named();
  replace([](hid_t file) {
    hdf5::DatasetAccess().create(file, "/state/in its place", H5T_IEEE_F32LE, {20, 128});
    hdf5::DatasetAccess().create(file, "/state/large", H5T_IEEE_F32LE, {20, 128});
  });
  expect_named();
  replace([](hid_t file) { H5Lcreate_external("other.h5", "/x", file, "/state/large", H5P_DEFAULT, H5P_DEFAULT); });
  expect_named();
  replace([](hid_t file) { H5Lcreate_soft("/state/large", file, "/state/large", H5P_DEFAULT, H5P_DEFAULT); });
  expect_named();
  replace([](hid_t) {});
  expect_named();
}

/// A place in the datasets table that is none, under checksums that fit.
void forge_address(const fs::path& path, std::uint32_t dataset, std::uint64_t address) {
  const hdf5::FileId file = open_to_change(path);
  const auto open = [&](const char* table) { return hdf5::DatasetAccess().open(file.get(), table); };
  const auto rows_of = [](const hdf5::DatasetId& table) { return hdf5::shape_of(table).at(0); };
  const auto read = [](const hdf5::DatasetId& table, void* rows) {
    hdf5::read(table, hdf5::type_of(table).get(), hdf5::select_all(table), rows);
  };
  const auto write = [](const hdf5::DatasetId& table, const void* rows) {
    hdf5::write(table, hdf5::type_of(table).get(), hdf5::select_all(table), hdf5::independent_transfer(), rows);
  };
  const hdf5::DatasetId datasets = open(format::datasets_table), shapes = open(format::shapes_table),
                        parts = open(format::parts_table);
  const std::uint64_t row_bytes = hdf5::size_of(hdf5::type_of(datasets));
  Definitions definitions{.rows = Bytes(rows_of(datasets) * row_bytes),
                          .shapes = std::vector<std::uint64_t>(rows_of(shapes))};
  std::vector<PartRow> part_rows(rows_of(parts));
  read(datasets, definitions.rows.data());
  read(shapes, definitions.shapes.data());
  read(parts, part_rows.data());
  std::memcpy(definitions.rows.data() + (dataset + 1) * row_bytes - sizeof address, &address, sizeof address);
  part_rows.pop_back();
  part_rows = make_parts(std::move(part_rows), definitions.checksum());
  write(datasets, definitions.rows.data());
  write(parts, part_rows.data());
}

TEST_F(Damage, APlaceOutsideOfTheFileIsNotRead) {
  SampleSave sample(1);
  for (const auto& [name, bytes] : {std::pair("first", 1U << 20), {"larger", 2U << 20}, {"last", 1U << 20}})
    sample.add({name, plan::DatasetKind::tensor, DType::u8, {bytes}});
  path_ = store().save(sample.request(8, 0)).path;
  const auto expect_refused = [&](std::uint64_t address) {
    forge_address(path_, 1, address);
    try {
      (void)open_whole(path_);
      ADD_FAILURE() << address << " is taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
      EXPECT_EQ(error.context().tensor, "larger");
    }
  };
  const std::uint64_t place = open_whole(path_)->position_of(1), last = open_whole(path_)->position_of(2);
  forge_address(path_, 1, place);
  EXPECT_EQ(test::mistake(path_, sample, 8), "") << "what is forged has to have checksums that fit";
  ASSERT_GT(last - 8 + (2U << 20), fs::file_size(path_));
  expect_refused(last - 8);
  expect_refused(0);
  forge_address(path_, 1, ~std::uint64_t{0});
  EXPECT_EQ(test::mistake(path_, sample, 8), "") << "behind the last one: HDF5 is asked";
}

/// What h5repack does: everything is copied, our tables as they are, and nothing lies where it lay.
void write_anew(const fs::path& path, std::uint64_t bytes_in_the_way = 10000) {
  const fs::path copy = path.string() + ".copy";
  {
    const hdf5::BufferedFile from = hdf5::BufferedFile::open_to_read(path);
    const hdf5::FileId to(H5Fcreate(copy.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, hdf5::file_access().get()));
    hdf5::DatasetAccess().create(to.get(), "/in the way", H5T_STD_U8LE, {bytes_in_the_way});
    for (const char* group : {format::state_group, format::internal_group})
      EXPECT_GE(H5Ocopy(from.get(), group, to.get(), group, H5P_DEFAULT, H5P_DEFAULT), 0);
    const hdf5::ObjectId old_root = hdf5::open_object(from.get(), "/"), root = hdf5::open_object(to.get(), "/");
    for (const char* name :
         {format::attr_version, format::attr_step, format::attr_world_size, format::attr_sequence, format::attr_parent})
      hdf5::write_attribute(root.get(), name, hdf5::read_i64_attribute(old_root.get(), name));
    hdf5::write_attribute(root.get(), format::attr_abandoned,
                          hdf5::read_i64s_attribute(old_root.get(), format::attr_abandoned));
    for (const char* name : {format::attr_format, format::attr_created, format::attr_library_version})
      hdf5::write_attribute(root.get(), name, hdf5::read_text_attribute(old_root.get(), name));
  }
  fs::rename(copy, path);
}

TEST_F(Damage, AFileThatAnotherProgramWroteAnewIsReadWhereHdf5SaysItIs) {
  const std::uint32_t large = open_whole(path_)->names().find("large").value();
  const std::uint64_t before = open_whole(path_)->position_of(large);
  write_anew(path_);
  EXPECT_EQ(outcome(), std::nullopt);
  const auto reader_source = open_whole(path_);
  const Source& reader = *reader_source;
  EXPECT_NE(reader.position_of(large), before);
  EXPECT_TRUE(reader.other_views().empty());
}

/// Places that we align are not, then, and the file is shorter than our table says.
TEST_F(Damage, AFileThatAnotherProgramWroteShorterIsRead) {
  SampleSave sample(1);
  for (const char* name : {"a", "b", "c"}) sample.add({name, plan::DatasetKind::tensor, DType::u8, {(1 << 20) + 8}});
  const fs::path path = store().save(sample.request(8, 0)).path;
  const std::uint64_t end = open_whole(path)->position_of(2) + (1 << 20) + 8;
  write_anew(path, 0);
  ASSERT_LT(fs::file_size(path), end);
  EXPECT_EQ(test::mistake(path, sample, 8), "");
}

TEST_F(Damage, ADatasetWithoutContentInAnotherLayoutIsCorrupt) {
  write_anew(path_);
  {
    const hdf5::FileId file = open_to_change(path_);
    ASSERT_GE(H5Ldelete(file.get(), "/state/large", H5P_DEFAULT), 0);
    const hdf5::PropertiesId chunked = hdf5::without_times(H5P_DATASET_CREATE);
    const hsize_t extent[] = {20, 128};
    ASSERT_GE(H5Pset_chunk(chunked.get(), 2, extent), 0);
    const hdf5::SpaceId space(H5Screate_simple(2, extent, nullptr));
    const hdf5::DatasetId dataset(
        H5Dcreate2(file.get(), "/state/large", H5T_IEEE_F32LE, space.get(), H5P_DEFAULT, chunked.get(), H5P_DEFAULT));
    ASSERT_GE(dataset.get(), 0);
  }
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace holdfast::storage
