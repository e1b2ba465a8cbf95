#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace holdfast::test {

/// The lines of a directory's events.jsonl that tell of saves that failed.
std::vector<std::string> failed_saves(const std::filesystem::path& directory);

}  // namespace holdfast::test
