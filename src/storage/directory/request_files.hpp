#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/clock.hpp"

namespace holdfast::storage {

/// Files in a checkpoint directory by which a person asks a running program to save or to end. `save-now` is removed
/// when it is taken up; `halt` stays. Their content does not matter.
class RequestFiles {
 public:
  /// If `takes_saves` is false, save-now is left alone.
  RequestFiles(const std::filesystem::path& directory, bool takes_saves);

  struct Found {
    bool save_now = false;
    bool halt = false;
  };
  /// Looks into the directory, at most once per look_every; other calls find nothing. A save-now that cannot be removed
  /// is found once, and again after it was touched. A file that cannot be looked at counts as absent and is logged.
  [[nodiscard]] Found look(Clock::time_point now = Clock::now()) noexcept;

  static constexpr std::chrono::seconds look_every{1};

 private:
  /// Distinguishes a file from an earlier one of the same name, and from itself before it was touched.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t modified_s = 0;
    std::int64_t modified_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  [[nodiscard]] std::optional<Identity> find(const std::filesystem::path& file) noexcept;
  [[nodiscard]] bool take_up_save() noexcept;

  std::filesystem::path save_now_, halt_;
  bool takes_saves_;
  Clock::time_point next_look_ = Clock::time_point::min();
  std::optional<Identity> left_over_;  ///< a save-now that was taken up and could not be removed
  int last_errno_ = 0;                 ///< of the last failed look, so that a repeated failure is logged once
};

}  // namespace holdfast::storage
