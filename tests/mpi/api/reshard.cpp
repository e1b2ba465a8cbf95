// What N ranks saved, M ranks load: N and M in 1..4, random shapes, shardings, dtypes and paddings, one box of a tensor
// on a rank or many, in one program of 4 ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <holdfast/checkpointer.hpp>
#include <optional>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

constexpr int worlds = 4;
constexpr int cases_per_world = 60;

/// The first `size` ranks, or MPI_COMM_NULL.
MPI_Comm first_ranks(int size) {
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank_in(MPI_COMM_WORLD) < size ? 0 : MPI_UNDEFINED, 0, &comm);
  return comm;
}

/// All tensors of one case: shape, dtype and seed depend on the case, the boxes and paddings also on who holds them.
std::vector<SampleTensor> tensors_of(int number, int rank, int ranks, int sharding) {
  Random content(static_cast<std::uint64_t>(number)), cuts(static_cast<std::uint64_t>(number * 100 + sharding));
  std::vector<SampleTensor> tensors;
  const std::uint64_t count = draw(content, 1, 6);
  for (std::uint64_t t = 0; t < count; ++t) {
    const Shape global = random_shape(content);
    const auto dtype = static_cast<DType>(draw(content, 0, dtype_count - 1));
    const std::uint64_t seed = draw(content, 0, 1000000), ghosts = draw(cuts, 0, 2);
    const bool replica = draw(cuts, 0, 4) == 0;
    const std::vector<Box> boxes = random_partition(cuts, global, static_cast<std::size_t>(ranks));
    const Box none{Shape(global.size(), 0), Shape(global.size(), 0)};
    const std::size_t turn =
        (static_cast<std::size_t>(rank) + t) % static_cast<std::size_t>(ranks);  // not always rank order
    const Box box = replica || global.empty() ? whole(global) : turn < boxes.size() ? boxes[turn] : none;
    tensors.emplace_back("case/" + std::to_string(t % 2) + "/tensor" + std::to_string(t), dtype, global, box, seed,
                         ghosts);
  }
  return tensors;
}

/// The same with 1 to 50 boxes of a tensor on each rank. Saved boxes cover the shape; some are on several ranks. Loaded
/// boxes are anywhere, overlap, and need not cover anything.
std::vector<SampleTensor> boxes_of(int number, int rank, int ranks, int sharding) {
  Random content(static_cast<std::uint64_t>(number)), cuts(static_cast<std::uint64_t>(number * 100 + sharding));
  std::vector<SampleTensor> tensors;
  const std::uint64_t count = draw(content, 1, 3);
  for (std::uint64_t t = 0; t < count; ++t) {
    const Shape global = random_shape(content);
    const auto dtype = static_cast<DType>(draw(content, 0, dtype_count - 1));
    const std::uint64_t seed = draw(content, 0, 1000000);
    const bool is_part = sharding > 0 && draw(cuts, 0, 2) != 0;
    const std::uint64_t all = draw(cuts, 1, 50 * static_cast<std::uint64_t>(ranks));
    const std::vector<Box> cut = random_partition(cuts, global, all);
    for (std::uint64_t i = 0; i < (is_part ? all : cut.size()); ++i) {
      const Box box = is_part ? random_box(cuts, global) : cut[i];
      const std::uint64_t holder = draw(cuts, 0, static_cast<std::uint64_t>(ranks) - 1), ghosts = draw(cuts, 0, 1);
      const bool is_on_all = draw(cuts, 0, 9) == 0;
      if (is_on_all || holder == static_cast<std::uint64_t>(rank))
        tensors.emplace_back("case/tensor" + std::to_string(t), dtype, global, box, seed, ghosts);
    }
  }
  std::ranges::shuffle(tensors, cuts);  // boxes of different tensors in turn, in no order
  return tensors;
}

using MakeTensors = std::vector<SampleTensor> (*)(int number, int rank, int ranks, int sharding);

/// A type that holds all values of another one, if there is a wider one to store it as.
std::optional<DType> wider(DType dtype) {
  switch (dtype) {
    case DType::i8:
      return DType::i32;
    case DType::u8:
      return DType::u16;
    case DType::i16:
      return DType::i64;
    case DType::u16:
      return DType::u32;
    default:
      return {};
  }
}

/// Every second tensor is stored as a wider type, where there is one.
StateDict state_of(std::vector<SampleTensor>& tensors, const std::string& prefix = "") {
  StateDict state;
  for (SampleTensor& tensor : tensors) {
    const auto type = wider(tensor.view().dtype);
    const bool is_odd = (tensor.name().back() - '0') % 2 == 1;
    state.add(prefix + tensor.name(), is_odd && type ? stored_as(tensor.view(), *type) : tensor.view());
  }
  return state;
}

void expect_n_to_m(MakeTensors make) {
  const int rank = rank_in(MPI_COMM_WORLD);
  const SharedDirectory directory;
  for (int savers = 1; savers <= worlds; ++savers) {
    const std::filesystem::path folder = directory.path() / std::to_string(savers);
    if (MPI_Comm comm = first_ranks(savers); comm != MPI_COMM_NULL) {
      Checkpointer checkpointer(comm, {.directory = folder, .ranks_per_helper = savers == 4 ? 2 : 0});
      for (int number = 0; number < cases_per_world; ++number) {
        auto tensors = make(savers * 1000 + number, rank, savers, 0);
        for (SampleTensor& tensor : tensors) tensor.fill();
        const SaveFuture save = checkpointer.async_save(number, state_of(tensors));
        if (number % 16 == 15) save.wait();
      }
      checkpointer.close();
      MPI_Comm_free(&comm);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    for (int loaders = 1; loaders <= worlds; ++loaders) {
      MPI_Comm comm = first_ranks(loaders);
      if (comm == MPI_COMM_NULL) continue;
      Checkpointer checkpointer(comm, {.directory = folder, .read_only = true});
      for (int number = 0; number < cases_per_world; ++number) {
        auto tensors = make(savers * 1000 + number, rank, loaders, loaders);
        const std::string prefix = number % 3 == 0 ? "another/model/" : "";
        StateDict state = state_of(tensors, prefix);
        LoadPlanner planner;
        if (!prefix.empty()) planner.name_in_file = [&](const std::string& name) { return name.substr(prefix.size()); };
        const LoadReport report = checkpointer.load(state, {.step = number, .verify_first = number % 2 == 0}, planner);
        EXPECT_EQ(report.saved_by_ranks, savers);
        for (const SampleTensor& tensor : tensors)
          EXPECT_EQ(tensor.mistake(), "") << savers << " to " << loaders << ", case " << number;
      }
      checkpointer.close();
      MPI_Comm_free(&comm);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

TEST(Reshard, WhatNRanksSavedMRanksLoad) {
  expect_n_to_m(tensors_of);
}

TEST(Reshard, SeveralBoxesOfATensorOnARank) {
  expect_n_to_m(boxes_of);
}

}  // namespace
}  // namespace holdfast::test
