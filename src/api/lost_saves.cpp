#include "api/lost_saves.hpp"

#include <future>
#include <system_error>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "storage/events.hpp"
#include "storage/filesystem.hpp"
#include "storage/format.hpp"

namespace holdfast::api {
namespace {

constexpr Seconds longest_append{2};

void append_line(const std::filesystem::path& file, std::uint32_t bits, const std::string& line) noexcept {
  try {
    storage::make_posix_filesystem(bits)->append(file, line);
  } catch (const std::exception& error) {
    log::warning("writing an event: {}", error.what());
  }
}

}  // namespace

NoteLostSave lost_saves_log(const Options& options) {
  const std::filesystem::path file = std::filesystem::absolute(options.directory) / storage::format::events_file;
  return [file, bits = options.file_mode](std::int64_t step, const Error& error) {
    // In a thread of its own, as a file system that is stuck holds whoever writes there.
    std::packaged_task<void()> append(
        [file, bits, line = storage::failed_save_event(step, error)] { append_line(file, bits, line); });
    const std::future<void> appended = append.get_future();
    try {
      std::thread(std::move(append)).detach();
    } catch (const std::system_error& refused) {
      return log::warning("{}: no line about the lost save of step {}, as there is no thread for it: {}", file.string(), step,
                          refused.what());
    }
    if (appended.wait_for(longest_append) != std::future_status::ready)
      log::warning("{}: the line about the lost save of step {} is not written yet", file.string(), step);
  };
}

}  // namespace holdfast::api
