#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "storage/filesystem.hpp"

namespace holdfast::storage {

/// The file that retention gave up last, kept hidden, so that the next save writes over its blocks (docs/decisions/0012): that is
/// faster than new ones. A save takes it only if it has the same layout: then it writes every byte anew that the older one wrote,
/// and nothing of the older one is left. Local: one writer has one. Whoever sweeps the directory removes it, by its name.
class SpareFile {
 public:
  /// `files` is borrowed. With `enabled` false, files that are given up are removed at once.
  SpareFile(FileSystem& files, std::filesystem::path directory, std::string nonce, bool enabled);
  /// Removes the file.
  ~SpareFile();
  SpareFile(const SpareFile&) = delete;
  SpareFile& operator=(const SpareFile&) = delete;

  /// The checkpoint of `step` is laid out as `layout` (a number; 0: like no other).
  void remember(std::int64_t step, std::uint64_t layout);
  /// Takes the checkpoint of `step` out of the directory. Throws Error(storage).
  void give_up(std::int64_t step);
  /// Moves the file to `partial`, durably, if it suits the layout and nobody else has it; otherwise there is no file afterwards.
  /// It never throws: without a spare file, a save takes new blocks.
  [[nodiscard]] bool take(std::uint64_t layout, const std::filesystem::path& partial) noexcept;
  /// The directory was swept.
  void forget() noexcept { file_.reset(); }

 private:
  struct File {
    std::filesystem::path path;
    std::uint64_t layout = 0;
  };
  void remove() noexcept;

  FileSystem& files_;
  const std::filesystem::path directory_;
  const std::string nonce_;
  const bool enabled_;
  std::map<std::int64_t, std::uint64_t> layouts_;  ///< of the steps that this run saved
  std::optional<File> file_;
};

}  // namespace holdfast::storage
