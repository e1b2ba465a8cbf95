// Includes go downward only, and C APIs enter through src/wrap.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

/// The height of each layer. A file may include its own folder and whatever is lower.
const std::map<std::string, int> height = {
    {"base", 0},      {"wrap", 1},   {"tensor", 1},  {"plan", 2},   {"settings", 2}, {"stage", 3}, {"storage", 3},
    {"transport", 3}, {"launch", 4}, {"inspect", 4}, {"helper", 5}, {"load", 5},     {"save", 5},  {"api", 6},
};

/// The same for the rooms of storage/.
const std::map<std::string, int> height_in_storage = {{"format", 0}, {"read", 1}, {"write", 1}, {"directory", 2}};

struct Include {
  std::string file;    ///< "plan/assign.cpp"
  std::string target;  ///< "tensor/box.hpp", "mpi.h"
};

std::string folder_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

/// What a line includes; empty if it is another line.
std::string target_of(const std::string& line) {
  const std::size_t word = line.find_first_not_of(" \t#");
  if (line.find('#') >= word || word == line.npos || line.compare(word, 7, "include") != 0) return "";
  const std::size_t begin = line.find_first_of("<\"", word), end = line.find_first_of(">\"", begin + 1);
  return end == line.npos ? "" : line.substr(begin + 1, end - begin - 1);
}

std::vector<Include> includes_below(const std::filesystem::path& root) {
  std::vector<Include> includes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);)
      if (std::string target = target_of(line); !target.empty())
        includes.push_back({std::filesystem::relative(entry.path(), root), std::move(target)});
  }
  return includes;
}

bool is_c_api(const std::string& target) {
  static const std::set<std::string> headers = {"mpi.h", "hdf5.h", "cuda.h", "cuda_runtime.h", "cuda_runtime_api.h"};
  static const std::set<std::string> folders = {"ucp", "uct", "ucs", "nvtx3"};
  return headers.contains(target) || folders.contains(folder_of(target));
}

/// "read" of "storage/read/box_reader.hpp".
std::string room_of(const std::string& path) {
  return folder_of(path.substr(path.find('/') + 1));
}

std::string fault_in_storage(const std::string& from, const std::string& to) {
  if (!height_in_storage.contains(from) || !height_in_storage.contains(to)) return "is in no room of storage/";
  if (from == to || height_in_storage.at(to) < height_in_storage.at(from)) return "";
  return "does not go downward in storage/";
}

/// Why the include must not be; empty if it may.
std::string fault_of(const Include& include) {
  const std::string from = folder_of(include.file), to = folder_of(include.target);
  if (is_c_api(include.target)) return from == "wrap" ? "" : "is a C API outside wrap/";
  if (!height.contains(from)) return "comes from a folder that has no layer";
  if (from == "storage" && to == "storage") return fault_in_storage(room_of(include.file), room_of(include.target));
  if (!height.contains(to) || from == to) return "";
  if (height.at(to) >= height.at(from)) return "does not go downward";
  if (to == "helper") return "is the helper's side in the program's";
  if (from == "transport" && to != "base" && to != "wrap") return "tells transport of more than bytes";
  return "";
}

std::vector<std::string> faults_of(const std::vector<Include>& includes) {
  std::vector<std::string> faults;
  for (const Include& include : includes)
    if (const std::string fault = fault_of(include); !fault.empty())
      faults.push_back(include.file + ": " + include.target + " " + fault);
  return faults;
}

TEST(IncludeLayers, GoDownward) {
  const std::vector<Include> includes = includes_below(SOURCE_DIRECTORY);
  EXPECT_GT(includes.size(), 100U);
  EXPECT_THAT(faults_of(includes), testing::IsEmpty());
}

TEST(IncludeLayers, AreReadFromTheLines) {
  EXPECT_EQ(target_of("#include \"base/log.hpp\""), "base/log.hpp");
  EXPECT_EQ(target_of("  #  include <ucp/api/ucp.h>  // why"), "ucp/api/ucp.h");
  EXPECT_EQ(target_of("#define include"), "");
  EXPECT_EQ(target_of("include <mpi.h>"), "");
  EXPECT_EQ(target_of("// #include <mpi.h>"), "");
  EXPECT_EQ(target_of(""), "");
}

TEST(IncludeLayers, AreToldFromTheirOpposite) {
  EXPECT_EQ(fault_of({"plan/assign.cpp", "tensor/box.hpp"}), "");
  EXPECT_EQ(fault_of({"plan/assign.cpp", "plan/plan.hpp"}), "");
  EXPECT_EQ(fault_of({"plan/assign.cpp", "holdfast/error.hpp"}), "");
  EXPECT_EQ(fault_of({"wrap/mpi.hpp", "mpi.h"}), "");
  EXPECT_NE(fault_of({"tensor/box.cpp", "plan/plan.hpp"}), "");
  EXPECT_NE(fault_of({"tensor/box.cpp", "wrap/mpi.hpp"}), "");
  EXPECT_NE(fault_of({"storage/read/source.cpp", "stage/stager.hpp"}), "");
  EXPECT_NE(fault_of({"transport/connection.cpp", "tensor/box.hpp"}), "");
  EXPECT_NE(fault_of({"save/saver.cpp", "mpi.h"}), "");
  EXPECT_NE(fault_of({"helper/server.cpp", "ucp/api/ucp.h"}), "");
  EXPECT_NE(fault_of({"misc/a.cpp", "base/log.hpp"}), "");
  EXPECT_EQ(fault_of({"storage/directory/catalog.cpp", "storage/read/source.hpp"}), "");
  EXPECT_NE(fault_of({"storage/read/box_reader.cpp", "storage/directory/catalog.hpp"}), "");
  EXPECT_NE(fault_of({"storage/read/box_reader.cpp", "storage/write/data_engine.hpp"}), "");
  EXPECT_NE(fault_of({"storage/catalog.cpp", "storage/read/box_reader.hpp"}), "");
}

}  // namespace
