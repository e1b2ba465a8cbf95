#include "storage/directory/recycled_file.hpp"

#include <utility>

#include "base/log.hpp"
#include "storage/directory/catalog.hpp"

namespace holdfast::storage {

RecycledFile::RecycledFile(FileSystem& files, std::filesystem::path directory, std::string nonce, bool enabled)
    : files_(files), directory_(std::move(directory)), nonce_(std::move(nonce)), enabled_(enabled) {}

RecycledFile::~RecycledFile() {
  remove();
}

void RecycledFile::remember(std::int64_t step, std::uint64_t layout) {
  if (layout == 0)
    layouts_.erase(step);
  else
    layouts_[step] = layout;
}

void RecycledFile::give_up(std::int64_t step) {
  const std::filesystem::path given_up = directory_ / file_name(step);
  const auto layout = layouts_.extract(step);
  if (!enabled_ || !layout) return files_.remove(given_up);
  remove();
  const std::filesystem::path hidden = directory_ / partial_name(step, nonce_ + ".spare");
  files_.rename(given_up, hidden);
  file_ = {hidden, layout.mapped()};
}

/// The directory is synced before the first byte is overwritten: after a crash, the file must not be a checkpoint
/// again.
bool RecycledFile::take(std::uint64_t layout, const std::filesystem::path& partial) noexcept {
  if (!file_) return false;
  try {
    if (file_->layout == layout && files_.is_ours_alone(file_->path)) {
      files_.rename(file_->path, partial);
      file_->path = partial;
      files_.sync_directory(directory_);
      file_.reset();
      return true;
    }
  } catch (const std::exception& error) {
    log::warning("the space of an old checkpoint is not used again: {}", error.what());
  }
  remove();
  return false;
}

void RecycledFile::remove() noexcept {
  if (!file_) return;
  try {
    files_.remove(file_->path);
  } catch (const std::exception& error) {
    log::warning("removing an old checkpoint: {}", error.what());
  }
  file_.reset();
}

}  // namespace holdfast::storage
