#include "api/lost_saves.hpp"

#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "storage/events.hpp"
#include "storage/filesystem.hpp"
#include "storage/format.hpp"

namespace holdfast::api {
namespace {

constexpr Seconds longest_append{2};

/// Appends lines to a file, each in a thread of its own, as a file system that is stuck holds whoever writes there.
class Appends {
 public:
  Appends(std::filesystem::path file, std::uint32_t bits) : file_(std::move(file)), bits_(bits) {}
  Appends(const Appends&) = delete;
  Appends& operator=(const Appends&) = delete;
  /// Lines that are not written after a moment are left to their threads.
  ~Appends() {
    const Deadline deadline(longest_append);
    for (const std::future<void>& line : under_way_)
      if (line.wait_for(deadline.left()) != std::future_status::ready)
        log::warning("{}: a line about a lost save is not written yet", file_.string());
  }

  void begin(std::string line) {
    std::packaged_task<void()> append([file = file_, bits = bits_, line = std::move(line)] { append_line(file, bits, line); });
    std::future<void> appended = append.get_future();
    try {
      std::thread(std::move(append)).detach();
      under_way_.push_back(std::move(appended));
    } catch (const std::system_error& refused) {
      log::warning("{}: no line about a lost save, as there is no thread for it: {}", file_.string(), refused.what());
    }
  }

 private:
  static void append_line(const std::filesystem::path& file, std::uint32_t bits, const std::string& line) noexcept {
    try {
      storage::make_posix_filesystem(bits)->append(file, line);
    } catch (const std::exception& error) {
      log::warning("writing an event: {}", error.what());
    }
  }

  const std::filesystem::path file_;
  const std::uint32_t bits_;
  std::vector<std::future<void>> under_way_;
};

}  // namespace

NoteLostSave lost_saves_log(const Options& options) {
  const auto appends = std::make_shared<Appends>(options.directory / storage::format::events_file, options.file_mode);
  return [appends](std::int64_t step, const Error& error) { appends->begin(storage::failed_save_event(step, error)); };
}

}  // namespace holdfast::api
