#include "save/lost_saves.hpp"

#include <system_error>
#include <thread>

#include "base/log.hpp"
#include "storage/directory/events.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"

namespace holdfast::save {
namespace {

void append_line(const std::filesystem::path& file, std::uint32_t bits, const std::string& line) noexcept {
  try {
    storage::make_posix_filesystem(bits)->append(file, line);
  } catch (const std::exception& error) {
    log::warning("writing an event: {}", error.what());
  }
}

}  // namespace

NoteLostSave lost_saves_log(const Options& options) {
  return [file = options.directory / storage::format::events_file, bits = options.file_mode](
             std::int64_t step, const Error& error) -> std::shared_future<void> {
    std::packaged_task<void()> append(
        [file, bits, line = storage::failed_save_event(step, error)] { append_line(file, bits, line); });
    std::shared_future<void> appended = append.get_future();
    try {
      std::thread(std::move(append)).detach();
    } catch (const std::system_error& refused) {
      log::warning("{}: no line about the lost save of step {}, as there is no thread for it: {}", file.string(), step,
                   refused.what());
      return {};
    }
    return appended;
  };
}

}  // namespace holdfast::save
