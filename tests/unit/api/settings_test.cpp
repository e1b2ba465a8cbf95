#include "api/settings.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace holdfast::api {
namespace {

struct Change {
  const char* name;
  std::function<void(Options&)> make;
  const char* value;
};

/// Each member changes its own setting, and no other.
TEST(Settings, AreThoseOfOptions) {
  const std::vector<Change> changes = {
      {"directory", [](Options& o) { o.directory = "/a b"; }, "\"/a b\""},
      {"keep_last", [](Options& o) { o.keep_last = 7; }, "7"},
      {"keep_every", [](Options& o) { o.keep_every = 1000; }, "1000"},
      {"recycle_files", [](Options& o) { o.recycle_files = false; }, "false"},
      {"memory_limit_bytes", [](Options& o) { o.memory_limit_bytes = 1 << 20; }, "1048576"},
      {"stage_threads", [](Options& o) { o.stage_threads = 3; }, "3"},
      {"engine", [](Options& o) { o.engine = Engine::direct; }, "direct"},
      {"mpi_io", [](Options& o) { o.mpi_io = "ompio"; }, "\"ompio\""},
      {"mpi_io_hints", [](Options& o) { o.mpi_io_hints = {{"a", "b"}}; }, "[(\"a\", \"b\")]"},
      {"alignment_bytes", [](Options& o) { o.alignment_bytes = 4096; }, "4096"},
      {"write_limit_bytes_per_s", [](Options& o) { o.write_limit_bytes_per_s = 5; }, "5"},
      {"file_mode", [](Options& o) { o.file_mode = 0640; }, "0640"},
      {"read_only", [](Options& o) { o.read_only = true; }, "true"},
      {"preemption_signals", [](Options& o) { o.preemption_signals = {10, 15}; }, "[10, 15]"},
      {"check_replicas", [](Options& o) { o.check_replicas = true; }, "true"},
      {"launcher", [](Options& o) { o.launcher = Launcher::slurm_step; }, "slurm_step"},
      {"transport", [](Options& o) { o.transport = Transport::put; }, "put"},
      {"helper", [](Options& o) { o.helper = "h"; }, "\"h\""},
      {"ranks_per_helper", [](Options& o) { o.ranks_per_helper = 2; }, "2"},
      {"helper_cores", [](Options& o) { o.helper_cores = "0-3"; }, "\"0-3\""},
      {"end_survivors", [](Options& o) { o.end_survivors = false; }, "false"},
      {"launch_timeout_s", [](Options& o) { o.launch_timeout_s = 0.1; }, "0.1"},
      {"helper_timeout_s", [](Options& o) { o.helper_timeout_s = 1.5; }, "1.5"},
      {"save_timeout_s", [](Options& o) { o.save_timeout_s = 2; }, "2"},
      {"close_timeout_s", [](Options& o) { o.close_timeout_s = 3; }, "3"},
  };
  const std::vector<Setting> defaults = settings_of({});
  ASSERT_EQ(changes.size(), defaults.size());
  for (std::size_t changed = 0; changed < changes.size(); ++changed) {
    Options options;
    changes[changed].make(options);
    const std::vector<Setting> settings = settings_of(options);
    for (std::size_t i = 0; i < settings.size(); ++i) {
      EXPECT_EQ(settings[i].name, changes[i].name);
      EXPECT_EQ(settings[i].value, i == changed ? changes[i].value : defaults[i].value) << settings[i].name;
    }
  }
}

}  // namespace
}  // namespace holdfast::api
