#include "program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/temporary_directory.hpp"

namespace holdfast::test {
namespace {

std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** variable = environ; *variable != nullptr; ++variable) all.emplace_back(*variable);
  return all;
}

Ended run(std::vector<std::string> command, const std::vector<std::string>& added) {
  const TemporaryDirectory directory;
  const std::string out = directory.path() / "out", err = directory.path() / "err";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<std::string> environment = environment_with(added);
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, command[0].c_str(), &files, nullptr, pointers(command).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) throw std::runtime_error("cannot start " + command[0]);
  int status = 0;
  rusage use{};
  if (wait4(pid, &status, 0, &use) != pid) throw std::runtime_error("cannot wait for " + command[0]);
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = content(out),
          .err = content(err),
          .peak_bytes = static_cast<std::uint64_t>(use.ru_maxrss) * 1024};
}

std::string program() {
  const char* path = std::getenv("HOLDFAST_CLI");
  if (path == nullptr) throw std::runtime_error("HOLDFAST_CLI does not name the program under test");
  return path;
}

}  // namespace

Ended holdfast(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  std::vector<std::string> command{program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(std::move(command), environment);
}

Ended shell(const std::string& text) {
  return run({"/bin/bash", "-c", text}, {});
}

}  // namespace holdfast::test
