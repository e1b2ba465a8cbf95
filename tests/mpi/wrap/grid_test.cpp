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

  void expect_all_delivered(int columns) const {
    Grid grid(comm, columns);
    std::vector<Parcel> out, expected;
    for (int other = comm.size() - 1; other >= 0; --other) out.push_back({other, letter(comm.rank(), other)});
    for (int other = 0; other < comm.size(); ++other)
      if (Bytes bytes = letter(other, comm.rank()); !bytes.empty()) expected.push_back({other, std::move(bytes)});
    EXPECT_EQ(grid.deliver(out), expected) << columns << " columns";
    EXPECT_TRUE(grid.deliver({}).empty());
    grid.free();
  }

  Communicator comm = Communicator::duplicate(MPI_COMM_WORLD);
};

TEST_F(GridTest, DeliversInAnyShape) {
  for (int columns = 1; columns <= comm.size(); ++columns)
    if (comm.size() % columns == 0) expect_all_delivered(columns);
}

TEST_F(GridTest, FewRanksAreOneColumn) {
  Grid grid(comm);
  EXPECT_EQ(Grid::best_columns(comm.size()), 1);
  EXPECT_EQ(grid.deliver({{comm.size() - 1, Bytes(3)}}).size(), comm.rank() == comm.size() - 1 ? grid.comm().size() : 0U);
  grid.free();
}

TEST_F(GridTest, ManyRanksAreASquareAsFarAsTheyDivide) {
  EXPECT_EQ(Grid::best_columns(255), 1);
  EXPECT_EQ(Grid::best_columns(256), 16);
  EXPECT_EQ(Grid::best_columns(1024), 32);
  EXPECT_EQ(Grid::best_columns(16384), 128);
  EXPECT_EQ(Grid::best_columns(100'000), 250);
  EXPECT_EQ(Grid::best_columns(1000), 25);
  EXPECT_EQ(Grid::best_columns(2 * 509), 1) << "a second hop would gain nothing";
  EXPECT_EQ(Grid::best_columns(509), 1);
}

}  // namespace
}  // namespace holdfast::mpi
