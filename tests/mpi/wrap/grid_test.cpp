#include <gtest/gtest.h>

#include <random>

#include "support/mpi_fixture.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::mpi {
namespace {

/// What rank `from` sends to rank `to`: of a size and content that both can work out. Many are empty.
Bytes letter(int from, int to) {
  std::mt19937 random(static_cast<unsigned>(1000 * from + to));
  Bytes bytes(random() % 3 == 0 ? 0 : random() % 300);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class GridTest : public testing::Test {
 protected:
  ~GridTest() override { comm.free(); }

  void expect_all_delivered(const std::vector<int>& sides) const {
    SCOPED_TRACE(testing::PrintToString(sides));
    Grid grid(comm, sides);
    std::vector<RankMessage> out, expected;
    for (int other = comm.size() - 1; other >= 0; --other) out.push_back({other, letter(comm.rank(), other)});
    for (int other = 0; other < comm.size(); ++other)
      if (Bytes bytes = letter(other, comm.rank()); !bytes.empty()) expected.push_back({other, std::move(bytes)});
    EXPECT_EQ(grid.deliver(out), expected);
    EXPECT_TRUE(grid.deliver({}).empty());
    grid.free();
  }

  Communicator comm = Communicator::duplicate(MPI_COMM_WORLD);
};

TEST_F(GridTest, DeliversInAnyShape) {
  for (int first = 1; first <= comm.size(); ++first)
    for (int second = 1; second <= comm.size() / first; ++second)
      if (comm.size() % (first * second) == 0) expect_all_delivered({first, second, comm.size() / first / second});
  expect_all_delivered({comm.size()});
}

TEST_F(GridTest, FewRanksAreOneLine) {
  Grid grid(comm);
  EXPECT_EQ(Grid::best_sides(comm.size()), std::vector<int>{comm.size()});
  EXPECT_EQ(grid.deliver({{comm.size() - 1, Bytes(3)}}).size(),
            comm.rank() == comm.size() - 1 ? grid.comm().size() : 0U);
  grid.free();
}

TEST_F(GridTest, ManyRanksHaveTheMoreDimensionsTheMoreTheyAre) {
  using Sides = std::vector<int>;
  EXPECT_EQ(Grid::best_sides(64), Sides{64});
  EXPECT_EQ(Grid::best_sides(128), (Sides{8, 16}));
  EXPECT_EQ(Grid::best_sides(256), (Sides{16, 16}));
  EXPECT_EQ(Grid::best_sides(1000), (Sides{25, 40}));
  EXPECT_EQ(Grid::best_sides(1024), (Sides{32, 32}));
  EXPECT_EQ(Grid::best_sides(16384), (Sides{16, 32, 32}));
  EXPECT_EQ(Grid::best_sides(102'400), (Sides{16, 16, 20, 20}));
  EXPECT_EQ(Grid::best_sides(2 * 509), (Sides{2, 509})) << "half the messages";
  EXPECT_EQ(Grid::best_sides(509), Sides{509});
}

}  // namespace
}  // namespace holdfast::mpi
