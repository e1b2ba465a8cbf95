// Files that a load is told of: by links, from elsewhere, compressed by h5repack, in the safetensors format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <holdfast/checkpoint_reader.hpp>
#include <holdfast/checkpointer.hpp>
#include <nlohmann/json.hpp>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Sources : public testing::Test {
 protected:
  void SetUp() override {
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt"});
    for (SampleTensor& tensor : tensors_) state_.add(tensor.name(), tensor.view());
    state_.add("epoch", epoch_);
    state_.add_per_rank("own", own_);
    for (epoch_ = 1; epoch_ <= 2; ++epoch_) {
      for (SampleTensor& tensor : tensors_) tensor.fill();
      file_ = checkpointer_->async_save(epoch_, state_).wait().path;
    }
    clear();
  }
  void TearDown() override { EXPECT_NO_THROW(checkpointer_->close()); }

  void clear() {
    for (SampleTensor& tensor : tensors_) tensor.clear();
    epoch_ = own_ = -1;
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void expect_loaded(const LoadReport& report, std::int64_t epoch) {
    for (const SampleTensor& tensor : tensors_) EXPECT_EQ(tensor.mistake(), "");
    EXPECT_EQ(report.step, epoch);
    EXPECT_EQ(epoch_, epoch);
    EXPECT_EQ(own_, rank_);
    EXPECT_TRUE(report.verified);
  }
  /// Rank 0 does something, then all go on.
  template <class Function>
  void on_rank_0(Function&& function) const {
    if (rank_ == 0) function();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  fs::path repacked(const std::string& options) const {
    const fs::path to = directory_.path() / "repacked.h5";
    on_rank_0(
        [&] { ASSERT_EQ(std::system(("h5repack " + options + " " + file_.string() + " " + to.string()).c_str()), 0); });
    return to;
  }
  /// By rows and by columns, so that ranks share chunks of the one that they load the other way.
  [[nodiscard]] SampleTensor cut(const std::string& name, std::size_t dimension, const Shape& global) const {
    Box box = whole(global);
    const auto ranks = static_cast<std::uint64_t>(ranks_), rank = static_cast<std::uint64_t>(rank_);
    box.offset[dimension] = global[dimension] * rank / ranks;
    box.extent[dimension] = global[dimension] * (rank + 1) / ranks - box.offset[dimension];
    return {name, DType::f32, global, box, 7};
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::optional<Checkpointer> checkpointer_;
  std::vector<SampleTensor> tensors_ = {cut("rows", 0, {300, 70}), cut("columns", 1, {40, 90})};
  std::int64_t epoch_ = 0, own_ = rank_;
  StateDict state_;
  fs::path file_;
};

TEST_F(Sources, ALinkInTheDirectoryIsACheckpointOfIt) {
  on_rank_0([&] { fs::create_symlink("step-000000000001.h5", file_.parent_path() / "best"); });
  expect_loaded(checkpointer_->load(state_, {.file = "best"}), 1);
  epoch_ = 3;
  checkpointer_->async_save(3, state_).wait();
  EXPECT_TRUE(CheckpointReader(file_.parent_path() / "step-000000000003.h5").info().parent == 1);
}

TEST_F(Sources, AFileFromElsewhereLeavesTheLineAlone) {
  const fs::path elsewhere = directory_.path() / "elsewhere.h5";
  on_rank_0([&] { fs::copy_file(file_.parent_path() / "step-000000000001.h5", elsewhere); });
  expect_loaded(checkpointer_->load(state_, {.file = elsewhere}), 1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"saves_go_on_from", elsewhere.string()},
                    [&] { checkpointer_->load(state_, {.file = elsewhere, .saves_go_on_from = GoOnFrom::loaded}); });
  epoch_ = 3;
  checkpointer_->async_save(3, state_).wait();
  EXPECT_EQ(CheckpointReader(file_.parent_path() / "step-000000000003.h5").info().parent, 2);
  EXPECT_TRUE(fs::exists(file_.parent_path() / "events.jsonl"));
  EXPECT_FALSE(fs::exists(directory_.path() / "events.jsonl"));
}

TEST_F(Sources, AFileThatIsNotThereOrAStepBesideIt) {
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"LoadOptions::file", "nothing"},
                    [&] { checkpointer_->load(state_, {.file = "nothing"}); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"LoadOptions::step", "LoadOptions::file"},
                    [&] { checkpointer_->load(state_, {.step = 1, .file = file_}); });
}

TEST_F(Sources, WhatH5repackCompressedIsLoadedAndVerified) {
  for (const char* options : {"-f SHUF -f GZIP=4 -f FLET", "-l CHUNK=17x11"}) {
    for (const bool first : {false, true}) {
      clear();
      expect_loaded(checkpointer_->load(state_, {.file = repacked(options), .verify_first = first}), 2);
      on_rank_0([&] { fs::remove(directory_.path() / "repacked.h5"); });
    }
  }
}

/// Fletcher's sum of HDF5 finds it, or our checksum.
TEST_F(Sources, ADamagedCompressedFileIsCorrupt) {
  const fs::path file = repacked("-f GZIP=1 -f FLET");
  on_rank_0([&] {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(fs::file_size(file) / 2));
    stream << "damaged here, whatever lies here";
  });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {file.string()},
                    [&] { checkpointer_->load(state_, {.file = file}); });
}

/// Made by the safetensors library (tests/data/safetensors/make.py); each rank reads its rows.
TEST_F(Sources, SafetensorsWithAnIndexOfSeveralFiles) {
  const auto rows = [&](std::uint64_t all) {
    const auto ranks = static_cast<std::uint64_t>(ranks_), rank = static_cast<std::uint64_t>(rank_);
    return std::pair(all * rank / ranks, all * (rank + 1) / ranks);
  };
  const auto [first, end] = rows(16);
  std::vector<float> embed((end - first) * 8), layer(8 * 12);
  std::vector<std::uint16_t> half(15);
  double scale = 0;
  StateDict state;
  state.add("model.embed.weight", shard(static_cast<void*>(embed.data()), DType::f32,
                                        {.global = {16, 8}, .offset = {first, 0}, .extent = {end - first, 8}}));
  state.add("model.layers.0.weight", replicated(static_cast<void*>(layer.data()), DType::f32, {8, 12}));
  state.add("model.layers.1.weight", replicated(static_cast<void*>(half.data()), DType::f16, {5, 3}));
  state.add("scale", replicated(static_cast<void*>(&scale), DType::f64, {}));
  for (const char* file : {"", "model.safetensors.index.json"}) {
    const LoadReport report = checkpointer_->load(
        state, {.file = fs::path(HOLDFAST_TEST_DATA) / "safetensors" / file, .strict = Strict::mine, .convert = true});
    EXPECT_FALSE(report.verified);
    EXPECT_EQ(report.step, -1);
    EXPECT_THAT(report.unexpected, testing::UnorderedElementsAre("empty", "mask"));
    for (std::size_t i = 0; i < embed.size(); ++i) EXPECT_EQ(embed[i], static_cast<float>(first * 8 + i) / 2 - 3);
    EXPECT_EQ(layer[0], 1.0F);   // bf16 0x3f80
    EXPECT_EQ(layer[64], 1.5F);  // bf16 0x3fc0
    EXPECT_EQ(half[14], 0x3c00 + 14);
    EXPECT_EQ(scale, 0.25);
  }
}

/// A file of our own making, so that it can be made wrong.
class Forged : public Sources {
 protected:
  void write(const std::string& header, std::size_t data_bytes) const {
    on_rank_0([&] {
      std::ofstream file(path_, std::ios::binary);
      const std::uint64_t length = header.size();
      file.write(reinterpret_cast<const char*>(&length), sizeof length);
      file << header << std::string(data_bytes, '\1');
    });
  }
  std::string refusal(ErrorCode code, const std::string& header, std::size_t data_bytes, const std::string& word) {
    write(header, data_bytes);
    StateDict state;
    state.add("w", replicated(static_cast<void*>(memory_.data()), DType::u8, {4}));
    return expect_same_error(MPI_COMM_WORLD, code, {path_.string(), word},
                             [&] { checkpointer_->load(state, {.file = path_}); });
  }

  std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(4);
  const fs::path path_ = directory_.path() / "forged.safetensors";
};

TEST_F(Forged, SafetensorsThatAreNone) {
  const std::string good = R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  refusal(ErrorCode::corrupt, good, 3, "\"w\"");
  refusal(ErrorCode::corrupt, good.substr(0, good.size() - 1), 4, "JSON");
  refusal(ErrorCode::corrupt, R"({"w":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})", 4, "\"w\"");
  refusal(ErrorCode::corrupt, R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4, "\"w\"");
  refusal(ErrorCode::corrupt, R"({"w":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", 4, "\"w\"");
  refusal(ErrorCode::corrupt, R"({"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4,
          "\"w\"");
  refusal(ErrorCode::corrupt, R"({"w":{"dtype":"U8","shape":[4]}})", 4, "\"w\"");
  refusal(ErrorCode::corrupt, R"({"w":7})", 4, "\"w\"");
  refusal(ErrorCode::unsupported_version, R"({"w":{"dtype":"F4","shape":[4],"data_offsets":[0,4]}})", 4, "F4");
  write(good, 4);
  StateDict state;
  state.add("w", replicated(static_cast<void*>(memory_.data()), DType::u8, {4}));
  checkpointer_->load(state, {.file = path_});
  EXPECT_THAT(memory_, ElementsAre(1, 1, 1, 1));
}

TEST_F(Forged, AnIndexNamesFilesBesideIt) {
  write(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  const fs::path index = directory_.path() / "x.safetensors.index.json";
  StateDict state;
  state.add("w", replicated(static_cast<void*>(memory_.data()), DType::u8, {4}));
  for (const char* name : {"../forged.safetensors", "/forged.safetensors", "", "other.safetensors"}) {
    on_rank_0([&] { std::ofstream(index) << nlohmann::json{{"weight_map", {{"w", name}}}}; });
    EXPECT_THROW(checkpointer_->load(state, {.file = index}), Error) << name;
    MPI_Barrier(MPI_COMM_WORLD);
  }
  on_rank_0([&] { std::ofstream(index) << nlohmann::json{{"weight_map", {{"v", "forged.safetensors"}}}}; });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {"\"v\"", "forged.safetensors"},
                    [&] { checkpointer_->load(state, {.file = index}); });
}

}  // namespace
}  // namespace holdfast::test
