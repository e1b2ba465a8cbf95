#include "base/cores.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <future>
#include <holdfast/error.hpp>
#include <thread>

namespace holdfast {
namespace {

std::vector<int> cores_of_this_thread() {
  cpu_set_t set;
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

TEST(Cores, AreReadAsLinuxWritesThem) {
  EXPECT_EQ(parse_cores(""), std::vector<int>{});
  EXPECT_EQ(parse_cores("7"), std::vector<int>{7});
  EXPECT_EQ(parse_cores("8,0-3,2"), (std::vector<int>{0, 1, 2, 3, 8}));
}

TEST(Cores, ThatAreNoListAreRefused) {
  for (const char* list : {"a", "1-", "-1", "3-1", "1,,2", ",", "0-3 ", "1024", "0-99999999", "4294967296"}) {
    SCOPED_TRACE(list);
    try {
      static_cast<void>(parse_cores(list));
      ADD_FAILURE() << "it was taken for a list";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(list), std::string::npos);
    }
  }
}

TEST(Cores, HoldForThreadsThatAreThereAndForLaterOnes) {
  const std::vector<int> before = cores_of_this_thread(), wanted = {before.back()};
  std::promise<void> go;
  auto older = std::async(std::launch::async, [moved = go.get_future()]() mutable {
    moved.wait();
    return cores_of_this_thread();
  });
  run_on_cores(wanted);
  go.set_value();
  EXPECT_EQ(cores_of_this_thread(), wanted);
  EXPECT_EQ(older.get(), wanted);
  EXPECT_EQ(std::async(std::launch::async, cores_of_this_thread).get(), wanted);
  run_on_cores(before);
  EXPECT_EQ(cores_of_this_thread(), before);
}

TEST(Cores, ThatCannotBeHadAreRefused) {
  const std::vector<int> before = cores_of_this_thread();
  EXPECT_THROW(run_on_cores({before.back(), 1023}), Error);
  run_on_cores(before);
}

}  // namespace
}  // namespace holdfast
