#include "unit/transport/processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

extern char** environ;

namespace holdfast::transport::test {
namespace {

[[noreturn]] void fail(const std::string& what, int number) {
  throw std::system_error(number, std::generic_category(), what);
}

std::filesystem::path proc(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

pid_t spawn(const std::vector<std::string>& command, int output) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t pid = -1;
  const int result = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) fail(command[0], result);
  return pid;
}

}  // namespace

Process::Process(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe2", errno);
  output_.reset(ends[0]);
  const FileDescriptor write_end(ends[1]);
  pid_ = spawn(command, write_end.get());
}

Process::~Process() {
  kill();
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

void Process::kill() {
  if (pid_ < 0) return;
  signal(SIGKILL);
  wait();
}

int Process::wait() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) fail("waitpid", errno);
  pid_ = -1;
  return status;
}

bool Process::says(const std::string& line, double timeout_s) {
  const Stopwatch watch;
  while (watch.seconds() < timeout_s) {
    const std::string next = next_line(timeout_s - watch.seconds());
    if (next == line) return true;
    if (next.empty()) return false;
  }
  return false;
}

std::string Process::next_line(double timeout_s) {
  const Deadline deadline{Seconds(timeout_s)};
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    pollfd event{output_.get(), POLLIN, 0};
    if (poll(&event, 1, deadline.poll_ms()) <= 0) {
      if (deadline.over()) return {};
      continue;
    }
    char text[512];
    const ssize_t bytes = read(output_.get(), text, sizeof text);
    if (bytes <= 0) return {};
    buffer_.append(text, static_cast<std::size_t>(bytes));
  }
}

double Process::cpu_s() const {
  std::ifstream file(proc(pid_) / "stat");
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(all.substr(all.rfind(')') + 2));  // from the third field, the state
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  if (!(fields >> user >> system)) fail("/proc/PID/stat", EINVAL);
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::size_t descriptors_of(pid_t pid) {
  const std::filesystem::directory_iterator all(proc(pid) / "fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

Resident resident_of(pid_t pid) {
  std::ifstream file(proc(pid) / "statm");
  std::size_t total = 0, resident = 0, shared = 0;
  if (!(file >> total >> resident >> shared)) fail("/proc/PID/statm", EINVAL);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return {.own_bytes = (resident - shared) * page, .shared_bytes = shared * page};
}

Address unique_address() {
  static std::atomic<int> count = 0;
  const std::string name = fmt::format("holdfast-test-{}-{}", getpid(), ++count);
  return {.socket_name = name, .nonce = "nonce of " + name};
}

std::unique_ptr<Process> start_helper(const Address& address) {
  auto helper =
      std::make_unique<Process>(std::vector<std::string>{TRANSPORT_PEER, "serve", address.socket_name, address.nonce});
  if (!helper->says("listening")) throw std::runtime_error("the helper did not start");
  return helper;
}

std::unique_ptr<Process> start_rank(const Address& address, int rank, const std::string& what) {
  return std::make_unique<Process>(
      std::vector<std::string>{TRANSPORT_PEER, "rank", address.socket_name, address.nonce, std::to_string(rank), what});
}

std::unique_ptr<Arena> open_arena(Connection& connection, std::uint32_t slot, std::uint64_t bytes) {
  send(connection, OpenArena{.slot = slot, .bytes = bytes}, soon());
  const auto answer = connection.receive(soon());
  if (!answer) throw Error(ErrorCode::timeout, "no answer to open_arena");
  if (answer->type == MessageType::refused) throw to_error(decode<Refused>(answer->payload).error);
  return connection.map(decode<ArenaReady>(answer->payload));
}

}  // namespace holdfast::transport::test
