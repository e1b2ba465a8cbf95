#include "support/event_log.hpp"

#include <fstream>

namespace holdfast::test {

std::vector<std::string> failed_saves(const std::filesystem::path& directory) {
  std::vector<std::string> found;
  std::ifstream file(directory / "events.jsonl");
  for (std::string line; std::getline(file, line);)
    if (line.find(R"("event":"save_failed")") != std::string::npos) found.push_back(line);
  return found;
}

}  // namespace holdfast::test
