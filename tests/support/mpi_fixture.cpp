#include "support/mpi_fixture.hpp"

#include <cstdio>

namespace holdfast::test {

int rank_in(MPI_Comm comm) {
  int rank = -1;
  MPI_Comm_rank(comm, &rank);
  return rank;
}

int size_of_comm(MPI_Comm comm) {
  int size = -1;
  MPI_Comm_size(comm, &size);
  return size;
}

std::string broadcast_text(std::string text, int root, MPI_Comm comm) {
  int length = static_cast<int>(text.size());
  MPI_Bcast(&length, 1, MPI_INT, root, comm);
  text.resize(static_cast<std::size_t>(length));
  MPI_Bcast(text.data(), length, MPI_CHAR, root, comm);
  return text;
}

bool all_true(MPI_Comm comm, bool flag) {
  int all = flag ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm);
  return all != 0;
}

void print_noticed(MPI_Comm comm, double seconds) {
  double slowest = 0;
  MPI_Reduce(&seconds, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, comm);
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  if (rank_in(comm) == 0) std::printf("noticed %s.%s %.3f s\n", test->test_suite_name(), test->name(), slowest);
}

SharedDirectory::SharedDirectory(MPI_Comm comm) : comm_(comm) {
  if (rank_in(comm) == 0) owned_ = std::make_unique<TemporaryDirectory>();
  path_ = broadcast_text(owned_ ? owned_->path().string() : std::string{}, 0, comm);
}

SharedDirectory::~SharedDirectory() {
  MPI_Barrier(comm_);
}

std::string expect_same_error(MPI_Comm comm, ErrorCode code, std::initializer_list<std::string> words,
                              const std::function<void()>& call) {
  std::string text = "nothing was thrown";
  try {
    call();
    ADD_FAILURE() << "expected " << to_string(code) << ", but nothing was thrown";
  } catch (const Error& error) {
    text = error.what();
    EXPECT_EQ(error.code(), code) << text;
    for (const std::string& word : words)
      EXPECT_NE(text.find(word), std::string::npos) << "'" << word << "' is not in: " << text;
  }
  EXPECT_EQ(broadcast_text(text, 0, comm), text) << "rank 0 got another error";
  return text;
}

}  // namespace holdfast::test
