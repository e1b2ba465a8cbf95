#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "storage/write/checkpoint_file.hpp"
#include "storage/write/direct_file.hpp"

namespace holdfast::storage::test {

/// A way to write a file. Tests of what all of them must do are TEST_P, on each.
struct EngineCase {
  const char* name;
  Engine engine;
  bool io_uring = true;
};

/// Sets a case up for as long as it lives. Every process makes one.
class EngineUnderTest {
 public:
  explicit EngineUnderTest(const EngineCase& which) : which_(which) {
    if (!which_.io_uring) setenv("HOLDFAST_IO_URING", "off", 1);
  }
  ~EngineUnderTest() { unsetenv("HOLDFAST_IO_URING"); }
  EngineUnderTest(const EngineUnderTest&) = delete;
  EngineUnderTest& operator=(const EngineUnderTest&) = delete;

  [[nodiscard]] FileSettings settings() const { return {.engine = which_.engine}; }
  /// Local; leaves nothing in the directory.
  [[nodiscard]] bool works_in(const std::filesystem::path& directory) const {
    if (which_.engine != Engine::direct) return true;
    const std::filesystem::path probe = directory / ("probe" + std::to_string(getpid()));
    std::ofstream(probe).close();
    const bool possible = DirectFile::is_possible(probe);
    std::filesystem::remove(probe);
    return possible;
  }

 private:
  const EngineCase which_;
};

inline auto every_engine() {
  return testing::Values(EngineCase{"mpi_io", Engine::mpi_io}, EngineCase{"direct", Engine::direct},
                         EngineCase{"direct_without_io_uring", Engine::direct, false});
}

/// Those whose system calls can be seen from inside the process: io_uring's are none.
inline auto engines_by_system_calls() {
  return testing::Values(EngineCase{"mpi_io", Engine::mpi_io}, EngineCase{"direct", Engine::direct, false});
}

inline std::string name_of_case(const testing::TestParamInfo<EngineCase>& info) {
  return info.param.name;
}

}  // namespace holdfast::storage::test
