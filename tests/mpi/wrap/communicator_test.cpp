#include <gtest/gtest.h>

#include <random>

#include "support/mpi_fixture.hpp"
#include "wrap/mpi_all_to_all.hpp"

namespace holdfast::mpi {
namespace {

class CommunicatorTest : public testing::Test {
 protected:
  ~CommunicatorTest() override { comm.free(); }

  Communicator comm = Communicator::duplicate(MPI_COMM_WORLD);
  const int rank = comm.rank(), size = comm.size();
};

/// What rank `from` sends to rank `to`: of a size and content that both can work out. Many are empty.
Bytes letter(int from, int to, std::size_t largest) {
  std::mt19937 random(static_cast<unsigned>(1000 * from + to));
  Bytes bytes(random() % 3 == 0 ? 0 : random() % largest);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST_F(CommunicatorTest, IsADuplicate) {
  int world = -1, result = MPI_UNEQUAL;
  MPI_Comm_rank(MPI_COMM_WORLD, &world);
  MPI_Comm_compare(MPI_COMM_WORLD, comm.get(), &result);
  EXPECT_EQ(rank, world);
  EXPECT_EQ(result, MPI_CONGRUENT);
}

TEST_F(CommunicatorTest, MpiErrorsAreThrownNotFatal) {
  try {
    Bytes bytes;
    comm.broadcast(bytes, size);  // there is no such rank
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::communication);
    EXPECT_EQ(error.message().rfind("MPI_Bcast: ", 0), 0U) << error.message();
  }
}

TEST_F(CommunicatorTest, AllToAllDeliversEveryLetter) {
  for (const std::size_t message_bytes :
       {std::size_t{1}, std::size_t{7}, std::size_t{1000}, Communicator::max_round_bytes}) {
    std::vector<Bytes> out;
    for (int to = 0; to < size; ++to) out.push_back(letter(rank, to, 3000));
    const std::vector<Bytes> in = all_to_all(comm, std::move(out), message_bytes);
    ASSERT_EQ(in.size(), static_cast<std::size_t>(size));
    for (int from = 0; from < size; ++from)
      EXPECT_EQ(in[static_cast<std::size_t>(from)], letter(from, rank, 3000)) << from;
  }
}

TEST_F(CommunicatorTest, AllToAllOfNothing) {
  for (const Bytes& bytes : all_to_all(comm, std::vector<Bytes>(static_cast<std::size_t>(size))))
    EXPECT_TRUE(bytes.empty());
}

TEST_F(CommunicatorTest, AllGatherBringsEveryPartToAll) {
  for (const std::size_t round_bytes : {std::size_t{1}, std::size_t{64}, Communicator::max_round_bytes}) {
    const std::vector<Bytes> in = comm.all_gather(letter(rank, 0, 2000), round_bytes);
    ASSERT_EQ(in.size(), static_cast<std::size_t>(size));
    for (int from = 0; from < size; ++from)
      EXPECT_EQ(in[static_cast<std::size_t>(from)], letter(from, 0, 2000)) << from;
  }
}

TEST_F(CommunicatorTest, BroadcastResizes) {
  for (int root = 0; root < size; ++root)
    for (const std::size_t bytes : {0, 1, 100'000}) {
      Bytes content(rank == root ? bytes : 17, std::byte(root + 1));
      comm.broadcast(content, root);
      EXPECT_EQ(content, Bytes(bytes, std::byte(root + 1)));
    }
}

TEST_F(CommunicatorTest, BroadcastOfAValue) {
  std::string text = rank == size - 1 ? "from the last" : "";
  broadcast_value(comm, text, size - 1);
  EXPECT_EQ(text, "from the last");
}

TEST_F(CommunicatorTest, Reductions) {
  std::array<std::int64_t, 2> values{-rank, rank};
  comm.allreduce(values, MPI_MIN);
  EXPECT_EQ(values, (std::array<std::int64_t, 2>{-(size - 1), 0}));
  std::array<std::uint64_t, 1> sum{std::uint64_t{1} << 40};
  comm.allreduce(sum, MPI_SUM);
  EXPECT_EQ(sum[0], static_cast<std::uint64_t>(size) << 40);
  EXPECT_EQ(comm.exclusive_sum(10), static_cast<std::uint64_t>(rank) * 10);
}

TEST_F(CommunicatorTest, NumbersOfAllRanks) {
  const std::array<std::uint64_t, 2> own{static_cast<std::uint64_t>(rank),
                                         ~std::uint64_t{0} - static_cast<std::uint64_t>(rank)};
  const std::vector<std::uint64_t> all = comm.all_gather(own);
  ASSERT_EQ(all.size(), 2 * static_cast<std::size_t>(size));
  for (std::uint64_t r = 0; r < static_cast<std::uint64_t>(size); ++r) {
    EXPECT_EQ(all[2 * r], r);
    EXPECT_EQ(all[2 * r + 1], ~std::uint64_t{0} - r);
  }
}

TEST_F(CommunicatorTest, Splits) {
  Communicator node = comm.split_by_node();
  EXPECT_EQ(node.size(), size) << "the ranks of this test share a node";
  Communicator half = comm.split(rank % 2, -rank);
  EXPECT_EQ(half.size(), (size + 1 - rank % 2) / 2);
  EXPECT_EQ(half.rank(), half.size() - 1 - rank / 2) << "the key turns the order around";
  node.free();
  half.free();
  EXPECT_EQ(half.get(), MPI_COMM_NULL);
  half.free();
}

TEST_F(CommunicatorTest, AgreeingOnSuccessThrowsNothing) {
  bool ran = false;
  all_or_none(comm, [&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST_F(CommunicatorTest, TheErrorOfTheLowestRankIsThrownOnAll) {
  const int first = size / 2;
  const std::string text = test::expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"storage: ", "full at "}, [&] {
    all_or_none(comm, [&] {
      if (rank >= first) throw Error(ErrorCode::storage, "full at " + std::to_string(rank), {.path = "/run"});
    });
  });
  EXPECT_EQ(text, "storage: full at " + std::to_string(first) + " (rank " + std::to_string(first) + " on " +
                      host_name() + ", path /run)");
}

TEST_F(CommunicatorTest, ARankThatTheErrorNamesIsKept) {
  test::expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"rank 77 on elsewhere"}, [&] {
    agree(comm, rank == size - 1 ? std::optional(Error(ErrorCode::mismatch, "odd", {.rank = 77, .host = "elsewhere"}))
                                 : std::nullopt);
  });
}

/// A rank that tells of another host's process is not where that is.
TEST_F(CommunicatorTest, NoRankIsNamedBesideAHostThatIsNotItsOwn) {
  const std::string text = test::expect_same_error(MPI_COMM_WORLD, ErrorCode::helper_lost, {"gone"}, [&] {
    agree(comm, Error(ErrorCode::helper_lost, "gone", {.host = "elsewhere"}));
  });
  EXPECT_EQ(text.find("rank"), text.npos) << text;
}

/// A helper's number is no rank of the program.
TEST_F(CommunicatorTest, HelpersNameNoRank) {
  const std::string text = test::expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"full", host_name()}, [&] {
    agree(comm.asleep(), Error(ErrorCode::storage, "full", {.host = host_name()}));
  });
  EXPECT_EQ(text.find("rank"), text.npos) << text;
}

TEST_F(CommunicatorTest, ForeignExceptionsBecomeErrorsOnAll) {
  test::expect_same_error(MPI_COMM_WORLD, ErrorCode::internal, {"what a library threw", "rank 0"}, [&] {
    all_or_none(comm, [&] {
      if (rank == 0) throw std::runtime_error("what a library threw");
    });
  });
  test::expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {}, [&] {
    all_or_none(comm, [&] {
      if (rank == size - 1) throw std::bad_alloc();
    });
  });
}

}  // namespace
}  // namespace holdfast::mpi
