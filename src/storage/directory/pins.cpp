#include "storage/directory/pins.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <system_error>

#include "base/error_text.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/format/format.hpp"

namespace holdfast {
namespace fs = std::filesystem;

namespace storage {

std::map<std::int64_t, std::vector<std::string>> pins_in(const fs::path& directory) {
  std::map<std::int64_t, std::vector<std::string>> pins;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    const std::string name = entry->path().filename();
    if (!entry->is_symlink(gone) || name == format::latest_link) continue;
    if (!is_checkpoint_of(directory, entry->path())) continue;
    const fs::path file = fs::canonical(entry->path(), gone);
    if (const auto step = parse_file_name(file.filename().string())) pins[*step].push_back(name);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorCode::storage, "reading the directory: " + errno_text(error.value()),
                {.host = host_name(), .path = directory.string()});
  for (auto& [step, names] : pins) std::ranges::sort(names);
  return pins;
}

}  // namespace storage

namespace {

/// Throws unless `name` can be the name of a pin: of a link, or of nothing yet.
void check_name(const fs::path& directory, const std::string& name) {
  const auto refuse = [&](std::string sentence) {
    throw Error(ErrorCode::invalid_argument, fmt::format("\"{}\" cannot be a pin: {}", name, sentence),
                {.path = directory.string()});
  };
  if (name.empty() || name.front() == '.' || name.find('/') != name.npos || name.find('\0') != name.npos)
    refuse("a name is not empty, has no slash, and does not begin with a dot");
  if (name == storage::format::latest_link || name == storage::format::save_now_file ||
      name == storage::format::halt_file || storage::parse_file_name(name))
    refuse("the name means something else in a directory of checkpoints");
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(directory / name, ignored)) && !fs::is_symlink(directory / name, ignored))
    refuse("there is a file of this name");
}

[[noreturn]] void fail(const char* call, const fs::path& path, int number) {
  throw Error(ErrorCode::storage, fmt::format("{}: {}", call, errno_text(number)),
              {.host = host_name(), .path = path.string()});
}

}  // namespace

/// The link is made under another name first, so that the name always leads to a checkpoint.
void pin(const fs::path& directory, std::int64_t step, const std::string& name) {
  check_name(directory, name);
  const std::string file = storage::file_name(step);
  const fs::path link = directory / name, made = directory / fmt::format(".{}.{}.pin", name, getpid());
  static_cast<void>(::unlink(made.c_str()));
  if (::symlink(file.c_str(), made.c_str()) != 0) fail("making a link", made, errno);
  std::error_code ignored;
  if (!fs::exists(directory / file, ignored)) {
    static_cast<void>(::unlink(made.c_str()));
    throw Error(ErrorCode::not_found, fmt::format("there is no checkpoint of step {}", step),
                {.path = directory.string()});
  }
  if (::rename(made.c_str(), link.c_str()) != 0) {
    const int number = errno;
    static_cast<void>(::unlink(made.c_str()));
    fail("renaming a link", link, number);
  }
}

void unpin(const fs::path& directory, const std::string& name) {
  check_name(directory, name);
  const fs::path link = directory / name;
  if (::unlink(link.c_str()) == 0) return;
  if (errno == ENOENT) throw Error(ErrorCode::not_found, "nothing is pinned under this name", {.path = link.string()});
  fail("removing a link", link, errno);
}

}  // namespace holdfast
