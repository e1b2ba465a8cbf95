#include "storage/directory/request_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "storage/format/format.hpp"

namespace holdfast::storage {

RequestFiles::RequestFiles(const std::filesystem::path& directory, bool takes_saves)
    : save_now_(directory / format::save_now_file), halt_(directory / format::halt_file), takes_saves_(takes_saves) {}

RequestFiles::Found RequestFiles::look(Clock::time_point now) noexcept {
  if (now < next_look_) return {};
  next_look_ = now + look_every;
  return {.save_now = takes_saves_ && take_up_save(), .halt = find(halt_).has_value()};
}

bool RequestFiles::take_up_save() noexcept {
  const auto file = find(save_now_);
  if (!file || file == left_over_) return false;
  left_over_.reset();
  if (::unlink(save_now_.c_str()) != 0 && errno != ENOENT) {
    log::warning("{} is taken up but cannot be removed ({}); touch it to ask again", save_now_.string(),
                 errno_text(errno));
    left_over_ = file;
  }
  return true;
}

std::optional<RequestFiles::Identity> RequestFiles::find(const std::filesystem::path& file) noexcept {
  struct stat status {};
  if (::lstat(file.c_str(), &status) == 0)
    return Identity{status.st_dev, status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  const int number = errno;
  if (number != ENOENT && number != ENOTDIR && std::exchange(last_errno_, number) != number)
    log::warning("looking for {}: {}", file.string(), errno_text(number));
  return std::nullopt;
}

}  // namespace holdfast::storage
