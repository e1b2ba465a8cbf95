#include <fmt/format.h>
#include <fmt/ranges.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "launch/launcher.hpp"
#include "settings/text.hpp"

namespace holdfast::launch {
namespace {

constexpr char other_launchers[] = " Launcher::slurm_step (in a Slurm job) or Launcher::reserved_ranks";

std::string irreplaceable() {
  const std::string option = mpi::outliving_option();
  return "; mpirun ends the job with a helper, so none can take its place" +
         (option.empty() ? "" : ", unless mpirun is started with " + option);
}

/// One application context: the number of helpers and the info keys. docs/decisions/0002-spawn.md tells what each key
/// prevents.
struct Context {
  int helpers;
  mpi::Hints hints;
};

/// Joins the hosts. Throws if the text is longer than the value of an info key may be.
std::string listed(const std::vector<std::string>& hosts) {
  std::string text = fmt::format("{}", fmt::join(hosts, ","));
  if (text.size() >= MPI_MAX_INFO_VAL)
    throw Error(
        ErrorCode::launch,
        fmt::format(
            "Open MPI 5 can be told in {} characters where helpers are to start, and the nodes of {} helpers take {}",
            MPI_MAX_INFO_VAL - 1, hosts.size(), text.size()),
        {.host = host_name()});
  return text;
}

/// Open MPI 4 needs a context for each helper. Open MPI 5 gets one for all: it refuses a second mapping, and its mpirun
/// may crash over two contexts (docs/decisions/0016-open-mpi-5.md).
std::vector<Context> contexts_for(const std::vector<std::string>& hosts) {
  std::vector<Context> contexts;
  if (mpi::open_mpi_version() >= 5)
    contexts.push_back({static_cast<int>(hosts.size()),
                        {{"host", listed(hosts)}, {"map_by", "seq:oversubscribe"}, {"bind_to", "none"}}});
  else
    for (const std::string& host : hosts)
      contexts.push_back({1, {{"host", host}, {"map_by", "node:oversubscribe"}, {"bind_to", "none"}}});
  return contexts;
}

/// The arguments of MPI_Comm_spawn_multiple, which only its root reads: parallel arrays over the application contexts.
class SpawnArrays {
 public:
  SpawnArrays() = default;
  SpawnArrays(const SpawnArrays&) = delete;  // it points into itself
  SpawnArrays& operator=(const SpawnArrays&) = delete;

  void fill(const StartRequest& request) {
    program_ = request.program.string();
    words_ = helper_arguments(request);
    for (std::string& word : words_) arguments_.push_back(word.data());
    arguments_.push_back(nullptr);
    for (const Context& context : contexts_for(request.placement.hosts)) {
      commands.push_back(program_.data());
      argument_lists.push_back(arguments_.data());
      processes.push_back(context.helpers);
      info_owners_.emplace_back(context.hints);
      infos.push_back(info_owners_.back().get());
    }
  }

  std::vector<char*> commands;
  std::vector<char**> argument_lists;
  std::vector<int> processes;
  std::vector<MPI_Info> infos;

 private:
  std::string program_;
  std::vector<std::string> words_;
  std::vector<char*> arguments_;
  std::vector<mpi::Info> info_owners_;
};

/// Open MPI asks for the working directory. If it is gone, the root fails alone and the other ranks hang.
void require_working_directory() {
  std::error_code problem;
  static_cast<void>(std::filesystem::current_path(problem));
  if (problem)
    throw Error(ErrorCode::launch,
                "MPI cannot start processes from a working directory that is gone: " + problem.message(),
                {.host = host_name()});
}

/// Logs an error when a spawn takes too long. MPI gives it no time limit, and no way to end it.
class LateWarning {
 public:
  explicit LateWarning(const StartRequest& request)
      : thread_([deadline = request.deadline, seconds = request.timeout_s](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any stopped;
          std::unique_lock lock(mutex);
          while (!stop.stop_requested() && !deadline.over())
            stopped.wait_for(lock, stop, deadline.pause(), [] { return false; });
          if (!stop.stop_requested())
            log::write(log::Level::error,
                       fmt::format("MPI_Comm_spawn_multiple has not started the helpers after {} s, and cannot be "
                                   "interrupted; end the program, and try{}",
                                   seconds, other_launchers));
        }) {}

 private:
  std::jthread thread_;
};

class SpawnLauncher final : public HelperLauncher {
 public:
  [[nodiscard]] std::string name() const override { return settings::in_words(Launcher::spawn); }

  /// Disconnects parents and helpers at once. They then meet only through the handshake, as with any launcher, and
  /// neither side's MPI_Finalize waits for the other.
  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    SpawnArrays arrays;
    mpi::all_or_none(comm, [&] {
      if (comm.rank() != root) return;
      require_working_directory();
      arrays.fill(request);
    });
    spawn(comm, request, arrays);
  }

  [[nodiscard]] std::string why_irreplaceable() const override {
    return mpi::job_outlives_a_process() ? "" : irreplaceable();
  }

  [[nodiscard]] std::string advice() const override {
    return fmt::format("; where MPI cannot start processes, try{}", other_launchers);
  }

 private:
  static constexpr int root = 0;

  static void spawn(const mpi::Communicator& comm, const StartRequest& request, SpawnArrays& arrays) {
    MPI_Comm helpers = MPI_COMM_NULL;
    std::vector<int> codes(static_cast<std::size_t>(request.placement.helpers));
    std::optional<LateWarning> warning;
    if (comm.rank() == root) warning.emplace(request);
    mpi::check(MPI_Comm_spawn_multiple(static_cast<int>(arrays.commands.size()), arrays.commands.data(),
                                       arrays.argument_lists.data(), arrays.processes.data(), arrays.infos.data(), root,
                                       comm.get(), &helpers, codes.data()),
               "MPI_Comm_spawn_multiple");
    mpi::check(MPI_Comm_disconnect(&helpers), "MPI_Comm_disconnect");
  }
};

}  // namespace

std::unique_ptr<HelperLauncher> make_spawn_launcher() {
  return std::make_unique<SpawnLauncher>();
}

}  // namespace holdfast::launch
