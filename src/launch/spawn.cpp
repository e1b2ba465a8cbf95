#include <fmt/format.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/log.hpp"
#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

constexpr char other_launchers[] = " Launcher::slurm_step (in a Slurm job) or Launcher::reserved_ranks";

std::string irreplaceable() {
  const std::string option = mpi::outliving_option();
  return "; mpirun ends the job with a helper, so none can take its place" +
         (option.empty() ? "" : ", unless mpirun is started with " + option);
}

/// For one helper's application context. What each key prevents is told in docs/decisions/0002-spawn.md.
mpi::Hints info_for(const std::string& host) {
  return {{"host", host}, {"map_by", "node:oversubscribe"}, {"bind_to", "none"}};
}

/// What MPI_Comm_spawn_multiple wants at its root: parallel arrays over the application contexts, one per helper.
struct Contexts {
  explicit Contexts(const StartRequest& request) : program(request.program.string()) {
    std::map<std::string, int> on_host;
    for (const std::string& host : request.placement.hosts) {
      words.push_back(
          {"--nonce", request.nonce, "--index", std::to_string(on_host[host]++), "--timeout", std::to_string(request.timeout_s)});
      info_owners.emplace_back(info_for(host));
    }
    for (auto& context : words) {
      commands.push_back(program.data());
      auto& arguments = argument_lists.emplace_back();
      for (std::string& word : context) arguments.push_back(word.data());
      arguments.push_back(nullptr);
    }
    for (auto& arguments : argument_lists) argument_pointers.push_back(arguments.data());
    for (auto& info : info_owners) infos.push_back(info.get());
    processes.assign(words.size(), 1);
  }
  std::string program;
  std::vector<std::vector<std::string>> words;
  std::vector<std::vector<char*>> argument_lists;
  std::vector<mpi::Info> info_owners;
  std::vector<char*> commands;
  std::vector<char**> argument_pointers;
  std::vector<MPI_Info> infos;
  std::vector<int> processes;
};

/// MPI gives a spawn no time limit, and no way to end it. All that can be done when it takes too long is to say so.
class LateWarning {
 public:
  explicit LateWarning(const StartRequest& request)
      : thread_([deadline = request.deadline, seconds = request.timeout_s](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any stopped;
          std::unique_lock lock(mutex);
          stopped.wait_until(lock, stop, deadline.end(), [] { return false; });
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
  [[nodiscard]] std::string name() const override { return std::string(name_of(Launcher::spawn)); }

  /// Parents and helpers part at once: from here on they meet only through the handshake, as with any launcher, and neither
  /// side's MPI_Finalize waits for the other.
  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    mpi::all_or_none(comm, [&] { spawn(comm, request); });
  }

  [[nodiscard]] std::string why_irreplaceable() const override { return mpi::job_outlives_a_process() ? "" : irreplaceable(); }

  [[nodiscard]] std::string advice() const override {
    return std::string("; where MPI cannot start processes, try") + other_launchers;
  }

 private:
  static void spawn(const mpi::Communicator& comm, const StartRequest& request) {
    constexpr int root = 0;
    MPI_Comm helpers = MPI_COMM_NULL;
    Contexts contexts(request);  // only the root's is looked at
    std::vector<int> codes(static_cast<std::size_t>(request.placement.helpers));
    std::optional<LateWarning> warning;
    if (comm.rank() == root) warning.emplace(request);
    mpi::check(
        MPI_Comm_spawn_multiple(request.placement.helpers, contexts.commands.data(), contexts.argument_pointers.data(),
                                contexts.processes.data(), contexts.infos.data(), root, comm.get(), &helpers, codes.data()),
        "MPI_Comm_spawn_multiple");
    mpi::check(MPI_Comm_disconnect(&helpers), "MPI_Comm_disconnect");
  }
};

}  // namespace

std::unique_ptr<HelperLauncher> make_spawn_launcher() {
  return std::make_unique<SpawnLauncher>();
}

}  // namespace holdfast::launch
