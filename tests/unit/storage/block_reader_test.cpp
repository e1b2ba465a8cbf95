#include "storage/read/block_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <holdfast/error.hpp>
#include <random>
#include <vector>

#include "support/temporary_directory.hpp"

namespace holdfast::storage {
namespace {

/// A file of 9 MiB and a bit, and what reads it in both ways, with the page cache full and empty of it.
class BlockReaderTest : public testing::TestWithParam<std::tuple<PageCache, bool>> {
 protected:
  static constexpr std::uint64_t file_bytes = (9 << 20) + 1234;

  BlockReaderTest() : content_(file_bytes), path_(directory_.path() / "file") {
    std::mt19937_64 random(1);
    std::ranges::generate(content_, [&] { return static_cast<std::byte>(random()); });
    std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(content_.data()), file_bytes);
  }
  void SetUp() override {
    if (!std::get<1>(GetParam())) return;
    const FileDescriptor fd(::open(path_.c_str(), O_RDWR));
    ASSERT_EQ(::fsync(fd.get()), 0);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
  [[nodiscard]] PageCache page_cache() const { return std::get<0>(GetParam()); }
  [[nodiscard]] std::uint64_t sum_of(std::uint64_t offset, std::uint64_t bytes) const {
    return checksum(std::span(content_).subspan(offset, bytes));
  }

  holdfast::test::TemporaryDirectory directory_;
  std::vector<std::byte> content_;
  std::filesystem::path path_;
};

INSTANTIATE_TEST_SUITE_P(Ways, BlockReaderTest,
                         testing::Combine(testing::Values(PageCache::fill, PageCache::avoid), testing::Bool()));

TEST_P(BlockReaderTest, TheWholeFileInOnePiece) {
  const SourceFile file(path_);
  std::vector<std::byte> to(file_bytes);
  Checksum sum;
  BlockReader reader(file, page_cache());
  reader.read({{0, file_bytes, to.data(), &sum}});
  reader.finish();
  EXPECT_EQ(to, content_);
  EXPECT_EQ(sum.value(), sum_of(0, file_bytes));
  EXPECT_EQ(reader.bytes_read() / 4096, file_bytes / 4096);
}

TEST_P(BlockReaderTest, PiecesOfAllSizesAndGaps) {
  const SourceFile file(path_);
  BlockReader reader(file, page_cache());
  std::mt19937_64 random(2);
  const auto below = [&](std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
  };
  for (int round = 0; round < 5; ++round) {
    std::vector<ReadPiece> pieces;
    for (std::uint64_t offset = below(10000); offset < file_bytes;) {
      const std::uint64_t bytes = std::min(below(2) == 0 ? below(300) : below(3 << 20), file_bytes - offset);
      pieces.push_back({offset, bytes});
      offset += bytes + (below(3) == 0 ? below(100000) : below(3) * 5);
    }
    std::vector<std::byte> to(file_bytes, std::byte{0xee}), expected = to;
    std::vector<Checksum> sums(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      ReadPiece& piece = pieces[i];
      piece.sum = &sums[i];
      if (i % 3 == 2) continue;
      piece.to = to.data() + piece.offset;
      std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(piece.offset), piece.bytes,
                  expected.begin() + static_cast<std::ptrdiff_t>(piece.offset));
    }
    reader.read(pieces);
    reader.finish();
    ASSERT_EQ(to, expected);
    for (std::size_t i = 0; i < pieces.size(); ++i)
      ASSERT_EQ(sums[i].value(), sum_of(pieces[i].offset, pieces[i].bytes));
  }
}

TEST_P(BlockReaderTest, WhatLiesFarApartIsNotReadBetween) {
  const SourceFile file(path_);
  BlockReader reader(file, page_cache());
  std::vector<std::byte> to(2);
  reader.read({{100, 1, to.data(), nullptr}, {5 << 20, 1, to.data() + 1, nullptr}});
  reader.finish();
  EXPECT_EQ(to[0], content_[100]);
  EXPECT_EQ(to[1], content_[5 << 20]);
  EXPECT_LE(reader.bytes_read(), 2U * 4096);
}

TEST_P(BlockReaderTest, PiecesMayOverlap) {
  const SourceFile file(path_);
  BlockReader reader(file, page_cache());
  Checksum first, second;
  reader.read({{0, 5000, nullptr, &first}, {10, 20, nullptr, &second}});
  reader.finish();
  EXPECT_EQ(first.value(), sum_of(0, 5000));
  EXPECT_EQ(second.value(), sum_of(10, 20));
}

/// Random pieces that overlap, some of them all of the file: each gets its bytes, and no page is read twice.
TEST_P(BlockReaderTest, BytesOfSeveralPiecesAreReadOnce) {
  std::mt19937 random(8);
  const SourceFile file(path_);
  for (int repeat = 0; repeat < 10; ++repeat) {
    BlockReader reader(file, page_cache());
    std::vector<ReadPiece> pieces;
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t offset = i == 100 ? 0 : random() % file_bytes;
      pieces.push_back({offset, i == 100 ? file_bytes : std::min(1 + random() % (1 << 20), file_bytes - offset)});
    }
    std::ranges::sort(pieces, {}, &ReadPiece::offset);
    std::vector<Checksum> sums(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i].sum = &sums[i];
    reader.read(pieces);
    reader.finish();
    for (std::size_t i = 0; i < pieces.size(); ++i)
      ASSERT_EQ(sums[i].value(), sum_of(pieces[i].offset, pieces[i].bytes));
    EXPECT_LE(reader.bytes_read(), file_bytes + 4096);
  }
}

/// As a load reads share after share: what came first may still be under way, and belongs to nobody else by then.
TEST_P(BlockReaderTest, OneReadAfterAnotherBeforeTheFirstIsFinished) {
  const SourceFile file(path_);
  BlockReader reader(file, page_cache());
  std::vector<std::byte> to(file_bytes);
  Checksum sum;
  for (std::uint64_t offset = 0; offset < file_bytes; offset += 700000) {
    std::vector<ReadPiece> pieces;
    for (std::uint64_t begin = offset; begin < std::min(offset + 700000, file_bytes); begin += 1000)
      pieces.push_back({begin, std::min<std::uint64_t>(1000, file_bytes - begin), to.data() + begin, &sum});
    reader.read(std::move(pieces));
  }
  reader.finish();
  EXPECT_EQ(to, content_);
  EXPECT_EQ(sum.value(), sum_of(0, file_bytes));
}

/// Otherwise the disk would have nothing to do until the next pieces are found.
TEST_P(BlockReaderTest, TheLastBlocksStayUnderWay) {
  const SourceFile file(path_);
  BlockReader reader(file, page_cache());
  Checksum sum;
  reader.read({{0, 4096, nullptr, &sum}});
  EXPECT_EQ(sum.value(), Checksum().value());
  reader.finish();
  EXPECT_EQ(sum.value(), sum_of(0, 4096));
}

TEST_P(BlockReaderTest, AFileThatEndsTooSoonIsCorruptAndTheReaderCanBeUsedAgain) {
  const SourceFile file(path_);
  std::filesystem::resize_file(path_, 3 << 20);
  BlockReader reader(file, page_cache());
  std::vector<std::byte> to(file_bytes);
  try {
    reader.read({{0, file_bytes, to.data(), nullptr}});
    reader.finish();
    ADD_FAILURE() << "not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_GE(reader.failed_at(), 2U << 20);
  }
  std::ranges::fill(to, std::byte{0});
  reader.read({{0, 1 << 20, to.data(), nullptr}});
  reader.finish();
  EXPECT_TRUE(std::equal(to.begin(), to.begin() + (1 << 20), content_.begin()));
}

}  // namespace
}  // namespace holdfast::storage
