// Saves on a disk that goes bad in the middle: bad_disk DIRECTORY ERRNO SPOIL [REPAIR]
//
// Once a save is staged, rank 0 runs the command SPOIL. Saves go on until one fails, whose error has to name ERRNO; the
// helper serves on. With a command REPAIR, saves work again after it. Rank 0 prints "acknowledged N", the last step
// that was.
#include <cstdio>
#include <cstdlib>
#include <holdfast/checkpointer.hpp>
#include <optional>
#include <string>
#include <vector>

namespace {

constexpr int most_saves = 20;

class BadDisk {
 public:
  explicit BadDisk(const char* directory) : checkpointer_(MPI_COMM_WORLD, {.directory = directory, .keep_last = 2}) {
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    leads_ = rank == 0;
    state_.add("w", holdfast::shard(memory_.data(), holdfast::DType::f32,
                                    {.global = {static_cast<std::uint64_t>(ranks), memory_.size()},
                                     .offset = {static_cast<std::uint64_t>(rank), 0},
                                     .extent = {1, memory_.size()}}));
  }

  /// 0, or the line of what was not as it should be.
  int run(const std::string& expected, const char* spoil, const char* repair) {
    if (save_failed("true")) return __LINE__;
    std::optional<holdfast::Error> error = save_failed(spoil);
    for (int i = 0; !error && i < most_saves; ++i) error = save_failed("true");
    if (!error || error->code() != holdfast::ErrorCode::storage) return __LINE__;
    if (leads_) std::printf("told: %s\n", error->what());
    if (std::string(error->what()).find(expected) == std::string::npos) return __LINE__;
    if (repair != nullptr) {
      command(repair);
      if (save_failed("true")) return __LINE__;
    } else if (!save_failed("true")) {
      return __LINE__;  // the disk is still bad, and the helper still says so
    }
    if (leads_) std::printf("acknowledged %ld\n", acknowledged_);
    checkpointer_.close();
    return 0;
  }

 private:
  std::optional<holdfast::Error> save_failed(const char* meanwhile) {
    const holdfast::SaveFuture save = checkpointer_.async_save(++step_, state_);
    command(meanwhile);
    try {
      acknowledged_ = save.wait().step;
      return std::nullopt;
    } catch (const holdfast::Error& error) {
      return error;
    }
  }
  void command(const char* line) const {
    if (leads_ && std::system(line) != 0) std::fprintf(stderr, "failed: %s\n", line);
    MPI_Barrier(MPI_COMM_WORLD);
  }

  bool leads_ = false;
  std::int64_t step_ = 0, acknowledged_ = 0;
  std::vector<float> memory_ = std::vector<float>(300000);
  holdfast::StateDict state_;
  holdfast::Checkpointer checkpointer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  MPI_Init(&argc, &argv);
  int wrong = 0;
  try {
    wrong = BadDisk(argv[1]).run(argv[2], argv[3], argc > 4 ? argv[4] : nullptr);
  } catch (const holdfast::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    wrong = __LINE__;
  }
  if (wrong != 0) {
    std::fprintf(stderr, "not as expected: bad_disk.cpp, line %d\n", wrong);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return 0;
}
