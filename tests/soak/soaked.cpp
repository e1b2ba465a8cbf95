// Trains and saves as fast as it can, while tests/soak/soak.py does harm: soaked DIRECTORY LOG STOP-FILE MIB
//
// Every rank's tensor holds the step, so that a load shows whether all of it is of one step. Rank 0 appends a step to
// the log right after its wait() has returned. A save that fails is no reason to stop. Ends when the stop file is
// there.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <holdfast/checkpointer.hpp>
#include <string>
#include <vector>

namespace {

int rank_of_world() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

class Soak {
 public:
  Soak(const char* directory, const char* log, const char* stop_file, std::size_t mib)
      : stop_file_(stop_file),
        memory_(mib << 18),
        log_(rank_ == 0 ? open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1),
        checkpointer_(MPI_COMM_WORLD, {.directory = directory,
                                       .keep_last = 2,
                                       .launch_timeout_s = 20,
                                       .helper_timeout_s = 3,
                                       .save_timeout_s = 20}) {
    int ranks = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    state_.add("step", step_);
    state_.add("w", holdfast::shard(memory_.data(), holdfast::DType::f32,
                                    {.global = {static_cast<std::uint64_t>(ranks), memory_.size()},
                                     .offset = {static_cast<std::uint64_t>(rank_), 0},
                                     .extent = {1, memory_.size()}}));
  }

  int run() {
    if (checkpointer_.latest()) checkpointer_.load(state_);
    if (!whole()) return 4;
    while (!told_to_stop()) {
      ++step_;
      std::fill(memory_.begin(), memory_.end(), static_cast<float>(step_));
      save();
    }
    checkpointer_.close();
    return 0;
  }

 private:
  bool whole() const {
    return std::all_of(memory_.begin(), memory_.end(), [&](float value) { return value == static_cast<float>(step_); });
  }
  bool told_to_stop() const {
    int stop = rank_ == 0 && std::filesystem::exists(stop_file_) ? 1 : 0;
    MPI_Bcast(&stop, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return stop != 0;
  }
  /// One save is written while the next one is staged.
  void save() {
    const holdfast::SaveFuture last = saving_;
    try {
      saving_ = checkpointer_.async_save(step_, state_);
    } catch (const holdfast::Error& error) {
      report(error);
      saving_ = {};
      if (error.code() == holdfast::ErrorCode::launch || error.code() == holdfast::ErrorCode::in_use) throw;
    }
    if (last.valid()) acknowledge(last);
  }
  void acknowledge(const holdfast::SaveFuture& save) {
    try {
      save.wait();
      const std::string line = std::to_string(save.step()) + '\n';
      if (rank_ == 0 && write(log_, line.data(), line.size()) < 0) std::perror("log");
    } catch (const holdfast::Error& error) {
      report(error);
    }
  }
  void report(const holdfast::Error& error) const {
    if (rank_ == 0) std::fprintf(stderr, "soak: %s\n", error.what());
  }

  const int rank_ = rank_of_world();
  const char* stop_file_;
  std::vector<float> memory_;
  const int log_;
  std::int64_t step_ = 0;
  holdfast::StateDict state_;
  holdfast::SaveFuture saving_;
  holdfast::Checkpointer checkpointer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  MPI_Init(&argc, &argv);
  int status = 0;
  try {
    status = Soak(argv[1], argv[2], argv[3], std::stoul(argv[4])).run();
  } catch (const holdfast::Error& error) {
    std::fprintf(stderr, "soak ends: %s\n", error.what());
    status = 3;
  }
  if (status != 0) MPI_Abort(MPI_COMM_WORLD, status);
  MPI_Finalize();
  return 0;
}
