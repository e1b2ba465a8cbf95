// Helpers of several nodes write one file: every way in which bytes can be spread over them, what a helper costs while
// it waits, and the choice of MPI-IO. Started by srun on two nodes or more; each node has one helper.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "slurm/spread.hpp"
#include "support/processes.hpp"
#include "support/variable.hpp"

namespace holdfast::test {
namespace {

/// `holdfast verify` from outside: another process, which trusts nothing.
bool verifies(const std::filesystem::path& path) {
  return std::system(
             (std::string(std::getenv("HOLDFAST_BIN")) + "/holdfast verify " + path.string() + " >&2").c_str()) == 0;
}

class SeveralNodes : public testing::Test {
 protected:
  void SetUp() override { ASSERT_GT(place_.nodes, 1) << "start it on two nodes or more"; }
  void TearDown() override { MPI_Barrier(MPI_COMM_WORLD); }

  [[nodiscard]] Options options() const { return {.directory = directory_.path() / "ckpt"}; }
  void add(std::vector<SampleTensor>& tensors) {
    for (SampleTensor& tensor : tensors) {
      tensor.fill();
      state_.add(tensor.name(), tensor.view());
    }
  }
  void expect_loads(Checkpointer& checkpointer, std::vector<SampleTensor>& tensors) {
    for (SampleTensor& tensor : tensors) tensor.clear();
    checkpointer.load(state_);
    for (const SampleTensor& tensor : tensors) EXPECT_EQ(tensor.mistake(), "");
  }
  void expect_verifies(const SaveStats& stats) const {
    if (place_.rank == 0) {
      EXPECT_TRUE(verifies(stats.path));
    }
  }
  [[nodiscard]] nlohmann::json settings_event() const {
    std::ifstream file(options().directory / "events.jsonl");
    std::string line;
    std::getline(file, line);
    return nlohmann::json::parse(line);
  }
  /// Rows of `bytes` each; this rank has `rows` of them, which come after those of the ranks before it.
  SampleTensor rows(const std::string& name, std::uint64_t mine, std::uint64_t bytes) {
    std::uint64_t before = 0, all = 0;
    MPI_Exscan(&mine, &before, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (place_.rank == 0) before = 0;
    return {name,
            DType::f64,
            {all, bytes / 8},
            mine > 0 ? Box{{before, 0}, {mine, bytes / 8}} : no_part({all, bytes / 8}),
            9};
  }

  const Place place_ = Place::find(MPI_COMM_WORLD);
  SharedDirectory directory_;
  StateDict state_;
};

TEST_F(SeveralNodes, OneFileHoldsEveryKindOfState) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto tensors = spread_tensors(place_.rank, place_.ranks);
  add(tensors);
  std::int64_t epoch = 12;
  std::string note = "of all nodes";
  std::string own(static_cast<std::size_t>(place_.rank) * 5, static_cast<char>('a' + place_.rank));
  std::vector<double> history(static_cast<std::size_t>(place_.ranks - place_.rank), 0.5 * place_.rank);
  state_.add("epoch", epoch);
  state_.add("note", note);
  state_.add_per_rank("own", own);
  state_.add_per_rank("history", history);
  const auto own_before = own;
  const auto history_before = history;

  const SaveStats stats = checkpointer.async_save(1, state_).wait();
  epoch = 0;
  note = own = "?";
  history.clear();
  expect_loads(checkpointer, tensors);
  EXPECT_EQ(epoch, 12);
  EXPECT_EQ(note, "of all nodes");
  EXPECT_EQ(own, own_before);
  EXPECT_EQ(history, history_before);
  expect_verifies(stats);
  if (place_.rank == 0) {
    EXPECT_EQ(settings_event().at("helpers"), place_.nodes);
  }
  checkpointer.close();
}

/// Each node in turn has everything; the helpers of the others take part with nothing.
TEST_F(SeveralNodes, HelpersWithNothingToWrite) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  for (int node = 0; node < place_.nodes; ++node) {
    const bool here = node == place_.node;
    std::vector<SampleTensor> tensors;
    tensors.push_back(rows("large", here ? 3 + static_cast<std::uint64_t>(place_.rank_on_node) : 0, 1 << 20));
    tensors.push_back(rows("small", here ? 1 : 0, 80));
    state_ = {};
    add(tensors);
    const SaveStats stats = checkpointer.async_save(node, state_).wait();
    EXPECT_EQ(stats.rank_bytes > 0, here);
    expect_loads(checkpointer, tensors);
    expect_verifies(stats);
  }
  checkpointer.close();
}

/// 64 MiB from one rank and 8 bytes from each other; the plan is kept, and a save follows while the last is written.
TEST_F(SeveralNodes, WildlyUnevenBytes) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  const bool heavy = place_.rank == place_.ranks - 1;
  std::vector<SampleTensor> tensors;
  tensors.push_back(rows("uneven", heavy ? (64 << 20) / 8 : 1, 8));
  add(tensors);
  std::vector<SaveFuture> saves;
  for (int step = 0; step < 3; ++step) saves.push_back(checkpointer.async_save(step, state_));
  EXPECT_EQ(saves[0].wait().rank_bytes, heavy ? 64U << 20 : 8U);
  EXPECT_TRUE(saves[1].wait().plan_cached);
  const SaveStats stats = saves[2].wait();
  expect_loads(checkpointer, tensors);
  expect_verifies(stats);
  checkpointer.close();
}

/// Seconds of CPU per second that a process uses while `action` runs; `seconds` tells how much it has used so far.
template <class Action>
double share_of(double (*seconds)(int), int pid, Action&& action) {
  const double before_s = seconds(pid);
  const auto start = std::chrono::steady_clock::now();
  action();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return (seconds(pid) - before_s) / elapsed.count();
}

void measure_for_three_seconds() {
  std::this_thread::sleep_for(std::chrono::seconds(3));
}

/// The last node's helper is stopped, so the others wait for it with their ranks' parts staged, and nothing else
/// happens.
TEST_F(SeveralNodes, AHelperThatWaitsForAnotherSleeps) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto tensors = spread_tensors(place_.rank, place_.ranks);
  add(tensors);
  checkpointer.async_save(1, state_).wait();
  const int helper = helpers_of_this_job().at(0);
  MPI_Barrier(MPI_COMM_WORLD);
  const double idle = share_of(cpu_seconds, helper, measure_for_three_seconds);
  EXPECT_LT(idle, 0.01) << "idle";

  MPI_Barrier(MPI_COMM_WORLD);
  const bool late = place_.node == place_.nodes - 1;
  if (late) kill(helper, SIGSTOP);
  MPI_Barrier(MPI_COMM_WORLD);
  const SaveFuture save = checkpointer.async_save(2, state_);
  MPI_Barrier(MPI_COMM_WORLD);  // all have staged
  const double waiting = share_of(cpu_seconds, helper, measure_for_three_seconds);
  EXPECT_FALSE(save.ready());
  EXPECT_LT(waiting, 0.05) << (late ? "stopped" : "waiting");
  if (place_.rank == 0) std::cout << "cores used by helper 0: idle " << idle << ", waiting " << waiting << "\n";
  MPI_Barrier(MPI_COMM_WORLD);
  if (late) kill(helper, SIGCONT);

  const SaveStats stats = save.wait();
  expect_loads(checkpointer, tensors);
  expect_verifies(stats);
  checkpointer.close();
}

/// Node 0 writes, and the others have nothing from beginning to end, but would wait inside of H5Dwrite. Only what they
/// compute counts: they take part in fsync, where the kernel writes back for them what the other wrote.
TEST_F(SeveralNodes, AHelperWithNothingToWriteSleepsWhileAnotherWrites) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  std::vector<SampleTensor> tensors;
  tensors.push_back(rows("w", place_.rank == 0 ? 64 : 0, 4 << 20));
  add(tensors);
  checkpointer.async_save(0, state_).wait();
  const int helper = helpers_of_this_job().at(0);
  const double share = share_of(user_seconds, helper, [&] {
    for (int step = 1; step < 4; ++step) checkpointer.async_save(step, state_).wait();
  });
  if (place_.node > 0) {
    EXPECT_LT(share, 0.05);
  }
  if (place_.rank == place_.ranks - 1) std::cout << "cores used by a helper with nothing to write: " << share << "\n";
  checkpointer.close();
}

TEST_F(SeveralNodes, MpiIoIsChosenByTheEnvironment) {
  const Variable component("HOLDFAST_MPI_IO", "romio321"),
      hints("HOLDFAST_MPI_IO_HINTS", "romio_cb_write=disable;cb_nodes=1");
  Options mine = options();
  mine.mpi_io_hints = {{"cb_nodes", "2"}};
  Checkpointer checkpointer(MPI_COMM_WORLD, mine);
  auto tensors = spread_tensors(place_.rank, place_.ranks);
  add(tensors);
  const SaveStats stats = checkpointer.async_save(1, state_).wait();
  expect_loads(checkpointer, tensors);
  expect_verifies(stats);
  if (place_.rank == 0) {
    const auto settings = settings_event();
    EXPECT_EQ(settings.at("mpi_io"), "romio321");
    EXPECT_EQ(settings.at("mpi_io_hints").at("romio_cb_write"), "disable");
    EXPECT_EQ(settings.at("mpi_io_hints").at("cb_nodes"), "2") << "an option goes over the environment";
  }
  checkpointer.close();
}

TEST_F(SeveralNodes, AnOptionGoesOverTheEnvironmentsMpiIo) {
  const Variable component("HOLDFAST_MPI_IO", "no_such_io");
  Options mine = options();
  mine.mpi_io_component = "ompio";
  Checkpointer checkpointer(MPI_COMM_WORLD, mine);
  auto tensors = spread_tensors(place_.rank, place_.ranks);
  add(tensors);
  checkpointer.async_save(1, state_).wait();
  expect_loads(checkpointer, tensors);
  if (place_.rank == 0) {
    EXPECT_EQ(settings_event().at("mpi_io"), "ompio");
  }
  checkpointer.close();
}

TEST_F(SeveralNodes, AnMpiIoThatIsNotThereIsRefusedAtTheStart) {
  const Variable component("HOLDFAST_MPI_IO", "no_such_io");
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"no_such_io"},
                    [&] { Checkpointer(MPI_COMM_WORLD, options()); });
}

/// Each node has a /dev/shm of its own.
TEST_F(SeveralNodes, ADirectoryOfEachNodesOwnIsRefusedAtTheStart) {
  const std::filesystem::path own = "/dev/shm/holdfast-own";
  std::filesystem::remove_all(own);
  MPI_Barrier(MPI_COMM_WORLD);
  const std::string text =
      expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"is not the one that n1 has", " n2", own.string()},
                        [&] { Checkpointer(MPI_COMM_WORLD, {.directory = own, .launch_timeout_s = 15}); });
  EXPECT_EQ(text.find("rank"), text.npos) << text;
  MPI_Barrier(MPI_COMM_WORLD);
  std::filesystem::remove_all(own);
}

/// Two files of one name, each good by itself.
TEST_F(SeveralNodes, FilesThatDifferBetweenNodesAreNotLoaded) {
  const std::filesystem::path own = "/dev/shm/holdfast-own";
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto tensors = spread_tensors(place_.rank, place_.ranks);
  add(tensors);
  std::filesystem::path files[2];
  for (const int save : {0, 1}) files[save] = checkpointer.async_save(save, state_).wait().path;
  checkpointer.close();
  if (place_.rank_on_node == 0) {
    std::filesystem::remove_all(own);
    std::filesystem::create_directories(own);
    std::filesystem::copy_file(files[place_.node == 0 ? 0 : 1], own / files[0].filename());
  }
  MPI_Barrier(MPI_COMM_WORLD);
  Checkpointer reader(MPI_COMM_WORLD, {.directory = own, .read_only = true});
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"do not find the same file", "on n1", "on n2"},
                    [&] { reader.load(state_); });
  reader.close();
  if (place_.rank_on_node == 0) std::filesystem::remove_all(own);
}

}  // namespace
}  // namespace holdfast::test
