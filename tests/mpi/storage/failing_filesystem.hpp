#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "storage/directory/filesystem.hpp"

namespace holdfast::storage::test {

/// The calls of FileSystem.
enum class Call {
  make_directory,
  check_access,
  reserve,
  sync_file,
  sync_directory,
  rename,
  remove,
  replace_link,
  list,
  append
};

/// How calls are made to fail; outlives the file system that asks it.
class Faults {
 public:
  /// The next `call` throws Error(storage) with this path and EIO.
  void fail_next(Call call) { armed_ = call; }
  [[nodiscard]] bool pending() const noexcept { return armed_.has_value(); }
  /// reserve() does nothing, as on a file system that cannot.
  void set_no_reservation(bool on) { no_reservation_ = on; }

  void check(Call call, const std::filesystem::path& path);
  [[nodiscard]] bool no_reservation() const noexcept { return no_reservation_; }

 private:
  std::optional<Call> armed_;
  bool no_reservation_ = false;
};

/// The real file system with faults.
[[nodiscard]] std::unique_ptr<FileSystem> make_failing_filesystem(Faults& faults);

}  // namespace holdfast::storage::test
