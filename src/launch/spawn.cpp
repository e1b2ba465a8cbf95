#include <fmt/format.h>

#include <utility>

#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

/// MPI_Info of one helper's application context. What each key prevents is told in docs/decisions/0002-spawn.md.
class HelperInfo {
 public:
  explicit HelperInfo(const std::string& host) {
    mpi::check(MPI_Info_create(&info_), "MPI_Info_create");
    set("host", host);
    set("map_by", "node:oversubscribe");
    set("bind_to", "none");
  }
  ~HelperInfo() {
    if (info_ != MPI_INFO_NULL) MPI_Info_free(&info_);
  }
  HelperInfo(HelperInfo&& other) noexcept : info_(std::exchange(other.info_, MPI_INFO_NULL)) {}
  HelperInfo& operator=(HelperInfo&&) = delete;
  [[nodiscard]] MPI_Info get() const noexcept { return info_; }

 private:
  void set(const char* key, const std::string& value) { mpi::check(MPI_Info_set(info_, key, value.c_str()), "MPI_Info_set"); }
  MPI_Info info_ = MPI_INFO_NULL;
};

/// What MPI_Comm_spawn_multiple wants at its root: parallel arrays over the application contexts, one per helper.
struct Contexts {
  explicit Contexts(const StartRequest& request) : program(request.program.string()) {
    for (std::size_t index = 0; index < request.placement.hosts.size(); ++index) {
      words.push_back({"--nonce", request.nonce, "--index", std::to_string(index)});
      info_owners.emplace_back(request.placement.hosts[index]);
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
  std::vector<HelperInfo> info_owners;
  std::vector<char*> commands;
  std::vector<char**> argument_pointers;
  std::vector<MPI_Info> infos;
  std::vector<int> processes;
};

class SpawnLauncher final : public HelperLauncher {
 public:
  /// Parents and helpers part at once: from here on they meet only through the handshake, as with any launcher, and neither
  /// side's MPI_Finalize waits for the other.
  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    constexpr int root = 0;
    MPI_Comm helpers = MPI_COMM_NULL;
    Contexts contexts(request);  // only the root's is looked at
    std::vector<int> codes(static_cast<std::size_t>(request.placement.helpers));
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
