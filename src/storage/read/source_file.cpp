#include "storage/read/source_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <holdfast/error.hpp>

#include "base/error_text.hpp"

namespace holdfast::storage {
namespace {

/// Pages of a block that are asked for instead of all: a block comes and goes as a whole, and asking for each page
/// takes a tenth as long as copying it.
constexpr std::uint64_t samples = 4;

}  // namespace

SourceFile::SourceFile(const std::filesystem::path& path)
    : cached_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  struct stat status {};
  if (!cached_ || ::fstat(cached_.get(), &status) != 0)
    throw Error(ErrorCode::storage, "opening the file: " + errno_text(errno));
  if (!S_ISREG(status.st_mode)) throw Error(ErrorCode::corrupt, "this is not a regular file");
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  direct_.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_DIRECT));
  if (!direct_ || bytes_ == 0) return;
  void* const mapping = ::mmap(nullptr, bytes_, PROT_NONE, MAP_SHARED, cached_.get(), 0);
  if (mapping != MAP_FAILED) mapping_ = static_cast<std::byte*>(mapping);
}

SourceFile::~SourceFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, bytes_);
}

bool SourceFile::is_cached(std::uint64_t offset, std::uint64_t bytes) const {
  if (mapping_ == nullptr || bytes == 0 || offset + bytes > bytes_) return true;
  const std::uint64_t first = offset / page_bytes, last = (offset + bytes - 1) / page_bytes;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const std::uint64_t page = first + (last - first) * i / (samples - 1);
    unsigned char is_present = 0;
    if (::mincore(mapping_ + page * page_bytes, page_bytes, &is_present) != 0) return true;
    if ((is_present & 1U) == 0) return false;
  }
  return true;
}

void SourceFile::fetch_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept {
  static_cast<void>(
      ::posix_fadvise(cached_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED));
}

}  // namespace holdfast::storage
