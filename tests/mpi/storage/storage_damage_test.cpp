// Damaged files: the reader says what is wrong, or what it reads is exactly what was saved. It never crashes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "sample_save.hpp"
#include "storage/commit.hpp"
#include "storage/file_engine.hpp"
#include "storage/format.hpp"
#include "storage/reader.hpp"
#include "support/mpi_fixture.hpp"
#include "wrap/hdf5_staged.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using test::SampleSave;
using testing::HasSubstr;

/// All dtypes and kinds, but small, so that many damages can be tried and most hit something.
SampleSave small_sample() {
  SampleSave sample(1);
  for (int i = 0; i < dtype_count; ++i)
    sample.add({"group/" + std::string(to_string(static_cast<DType>(i))), plan::Kind::tensor, static_cast<DType>(i), {16, 8}});
  sample.add({"large", plan::Kind::tensor, DType::f32, {20, 128}});
  sample.add({"text", plan::Kind::string, DType::u8, {30}});
  sample.add({"rng", plan::Kind::per_rank, DType::u32, {5}});
  return sample;
}

class Damage : public testing::Test {
 protected:
  Damage() {
    CheckpointStore store(comm_, make_posix_filesystem(), make_file_engine(comm_),
                          {.directory = directory_.path(), .nonce = "n", .holder = "test"});
    path_ = store.save(sample_.request(7, 0)).path;
    bytes_ = fs::file_size(path_);
  }
  ~Damage() override { comm_.free(); }

  /// The code of the error that reading everything throws; nothing if it is all there. Wrong content fails the test.
  std::optional<ErrorCode> outcome() {
    try {
      const CheckpointReader reader(path_);
      for (const ChunkRecord& chunk : reader.chunks()) reader.verify(chunk);
      EXPECT_EQ(test::mistake(path_, sample_, 7), "");
      return {};
    } catch (const Error& error) {
      EXPECT_EQ(error.where().path, path_.string());
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
  const CheckpointReader reader(path_);
  const std::uint32_t large = reader.find("large").value();
  {
    const hdf5::Quiet quiet;
    const hdf5::File file = hdf5::open_to_read(path_);
    flip(hdf5::address_of(hdf5::DatasetAccess().open(file.get(), "/state/large")).value() + 100, std::byte{4});
  }
  const auto chunk = std::ranges::find(reader.chunks(), large, &ChunkRecord::dataset);
  ASSERT_NE(chunk, reader.chunks().end());
  try {
    CheckpointReader(path_).verify(*chunk);
    ADD_FAILURE() << "not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(error.where().tensor, "large");
    EXPECT_THAT(error.sentence(), HasSubstr("[0:20, 0:128]"));
    EXPECT_THAT(error.sentence(), HasSubstr("rank 0"));
  }
}

TEST_F(Damage, FilesOfOthersAreCorrupt) {
  std::ofstream(path_, std::ios::trunc) << std::string(5000, 'a');
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  hdf5::StagedFile foreign = hdf5::StagedFile::create(path_);
  hdf5::create_group(foreign.get(), "/state");
  foreign.finish();
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  EXPECT_THROW((void)read_info(path_), Error);
}

TEST_F(Damage, WhatIsNoFileSaysSo) {
  path_ = directory_.path() / "absent.h5";
  EXPECT_EQ(outcome(), ErrorCode::storage);
  path_ = directory_.path();
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
  path_ = "/dev/null";
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
}

/// Rewrites an attribute through HDF5, so that all metadata checksums are right.
void set_attribute(const fs::path& path, const char* object, const char* name, std::int64_t value) {
  hdf5::StagedFile file = hdf5::StagedFile::open(path);
  const hdf5::Object owner = hdf5::open_object(file.get(), object);
  ASSERT_GE(H5Adelete(owner.get(), name), 0);
  hdf5::write_attribute(owner.get(), name, value);
  file.finish();
}

TEST_F(Damage, ANewerVersionIsUnsupported) {
  set_attribute(path_, "/", format::attr_version, format::version + 1);
  EXPECT_EQ(outcome(), ErrorCode::unsupported_version);
}

TEST_F(Damage, ImpossibleHeadersAreCorrupt) {
  for (const char* name : {format::attr_world_size, format::attr_step, format::attr_version}) {
    set_attribute(path_, "/", name, -5);
    EXPECT_EQ(outcome(), ErrorCode::corrupt) << name;
    set_attribute(path_, "/", name, 1);
  }
}

TEST_F(Damage, ATableWithTheWrongChecksumIsCorrupt) {
  {
    hdf5::StagedFile file = hdf5::StagedFile::open(path_);
    hdf5::rewrite_attribute(hdf5::open_object(file.get(), format::internal_group).get(), format::attr_tables_checksum,
                            std::uint64_t{1});
    file.finish();
  }
  EXPECT_EQ(outcome(), ErrorCode::corrupt);
}

TEST_F(Damage, ADatasetThatIsGoneOrOfAnotherTypeIsNamed) {
  const auto replace = [&](const std::function<void(hid_t)>& make) {
    hdf5::StagedFile file = hdf5::StagedFile::open(path_);
    ASSERT_GE(H5Ldelete(file.get(), "/state/large", H5P_DEFAULT), 0);
    make(file.get());
    file.finish();
  };
  const auto expect_named = [&] {
    try {
      const CheckpointReader reader(path_);
      ADD_FAILURE() << "not noticed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
      EXPECT_EQ(error.where().tensor, "large");
    }
  };
  replace([](hid_t file) { hdf5::DatasetAccess().create(file, "/state/large", H5T_IEEE_F32BE, {20, 128}); });
  expect_named();
  replace([](hid_t file) { H5Lcreate_external("other.h5", "/x", file, "/state/large", H5P_DEFAULT, H5P_DEFAULT); });
  expect_named();
  replace([](hid_t file) { H5Lcreate_soft("/state/large", file, "/state/large", H5P_DEFAULT, H5P_DEFAULT); });
  expect_named();
  replace([](hid_t) {});
  expect_named();
}

}  // namespace
}  // namespace holdfast::storage
