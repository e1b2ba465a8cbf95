#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/clock.hpp"

namespace holdfast::storage {

/// The files of a checkpoint directory by which a person asks a running program for something: `save-now` is taken away when
/// it is taken up, `halt` stays. What is in them does not matter.
class RequestFiles {
 public:
  /// With `takes_saves` false, save-now is left alone.
  RequestFiles(const std::filesystem::path& directory, bool takes_saves);

  struct Found {
    bool save_now = false;
    bool halt = false;
  };
  /// Looks into the directory, but at most once per look_every: in between it finds nothing. A save-now that cannot be
  /// removed is found once, and again when it was touched. What cannot be looked at is not there; a log line says so.
  [[nodiscard]] Found look(Clock::time_point now = Clock::now()) noexcept;

  static constexpr std::chrono::seconds look_every{1};

 private:
  /// Tells a file from one that was there before, and from itself before it was touched.
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
  int last_errno_ = 0;                 ///< of a look that failed, so that each kind of failure is told once
};

}  // namespace holdfast::storage
