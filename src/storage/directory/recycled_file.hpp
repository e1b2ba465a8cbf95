#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "storage/directory/filesystem.hpp"

namespace holdfast::storage {

/// The file that retention gave up last, kept hidden so that the next save writes over its blocks, which is faster than
/// allocating new ones (docs/decisions/0012). A save takes it only if it has the same layout: the save then overwrites
/// every byte of the older one. Local: only one writer has one. A sweep of the directory removes it, by its name.
class RecycledFile {
 public:
  /// `files` is borrowed. If `enabled` is false, give_up() removes files at once.
  RecycledFile(FileSystem& files, std::filesystem::path directory, std::string nonce, bool enabled);
  /// Removes the file.
  ~RecycledFile();
  RecycledFile(const RecycledFile&) = delete;
  RecycledFile& operator=(const RecycledFile&) = delete;

  /// Notes the layout of the checkpoint of `step`. Equal numbers are equal layouts; 0 is unique.
  void remember(std::int64_t step, std::uint64_t layout);
  /// Takes the checkpoint of `step` out of the directory. Throws Error(storage).
  void give_up(std::int64_t step);
  /// Moves the file to `partial`, durably, if it has this layout and nobody else has it; otherwise removes it and
  /// returns false. Never throws: without a recycled file, a save allocates new blocks.
  [[nodiscard]] bool take(std::uint64_t layout, const std::filesystem::path& partial) noexcept;
  /// Forgets the file, which a sweep of the directory has removed.
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
  std::map<std::int64_t, std::uint64_t> layouts_;  ///< by step, of the saves of this run
  std::optional<File> file_;
};

}  // namespace holdfast::storage
