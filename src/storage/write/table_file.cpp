#include "storage/write/table_file.hpp"

#include <fcntl.h>

#include "base/error_text.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  const int number = errno;
  throw Error(ErrorCode::storage, "writing the tables: " + errno_text(number),
              {.host = host_name(), .path = path.string()});
}

/// Unless each write is synchronous, an NFS client writes back whole pages, with stale bytes where others wrote. File
/// systems that suit the direct engine do not do this.
int synchronous_for(Engine engine) {
  return engine == Engine::direct ? 0 : O_DSYNC;
}

}  // namespace

TableFile::TableFile(const std::filesystem::path& path, Engine engine)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | synchronous_for(engine))) {
  if (!file_) fail(path_);
}

void TableFile::write(std::uint64_t offset, std::span<const std::byte> rows) {
  if (!write_fully(file_.get(), rows.data(), rows.size(), offset)) fail(path_);
}

}  // namespace holdfast::storage
