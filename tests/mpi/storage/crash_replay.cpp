#include "crash_replay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>

namespace holdfast::storage::test {
namespace {

namespace fs = std::filesystem;
using Kind = DiskEvent::Kind;

constexpr std::uint64_t block_bytes = 4096;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

/// A file's content: what is durable for certain, and the changes since, one per block.
struct Inode {
  struct Change {
    int writer;
    std::uint64_t offset;
    Bytes data;  ///< none: sets the length to `offset`
  };
  Bytes durable;
  std::vector<Change> pending;

  static void apply(Bytes& content, const Change& change) {
    if (change.data.empty()) return content.resize(change.offset);
    if (content.size() < change.offset + change.data.size()) content.resize(change.offset + change.data.size());
    std::ranges::copy(change.data, content.begin() + static_cast<std::ptrdiff_t>(change.offset));
  }
  void write(int writer, std::uint64_t offset, const Bytes& data) {
    for (std::uint64_t done = 0; done < data.size();) {
      const std::uint64_t at = offset + done, bytes = std::min(block_bytes - at % block_bytes, data.size() - done);
      const auto first = data.begin() + static_cast<std::ptrdiff_t>(done);
      pending.push_back({writer, at, Bytes(first, first + static_cast<std::ptrdiff_t>(bytes))});
      done += bytes;
    }
  }
  /// In the order of the changes, so that a later one to the same place wins. A length is the file's, whoever set it:
  /// it becomes durable with anybody's fsync, never after data that were written later.
  void sync(int writer) {
    const auto is_synced = [&](const Change& change) { return change.writer == writer || change.data.empty(); };
    for (const Change& change : pending)
      if (is_synced(change)) apply(durable, change);
    std::erase_if(pending, is_synced);
  }
  template <class Keep>
  [[nodiscard]] Bytes content(Keep&& keep) const {
    Bytes result = durable;
    for (const Change& change : pending)
      if (keep()) apply(result, change);
    return result;
  }
};

/// What a name stands for.
struct Entry {
  int inode = -1;
  std::string target;  ///< of a link
};
/// A change of names, which happens as a whole or not at all.
struct NameChange {
  std::string removed, added;
  Entry entry;
};
using Names = std::map<std::string, Entry>;

void carry_out(Names& names, const NameChange& change) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.added.empty()) names[change.added] = change.entry;
}

/// The disk while the events are played.
struct Disk {
  std::vector<Inode> inodes;
  Names durable, visible;  ///< on the disk for certain; as the running system sees them
  std::vector<NameChange> pending;

  explicit Disk(const DiskImage& start) {
    for (const auto& [name, content] : start.files) {
      durable[name] = {.inode = static_cast<int>(inodes.size()), .target = {}};
      inodes.push_back({content, {}});
    }
    for (const auto& [name, target] : start.links) durable[name] = {.inode = -1, .target = target};
    visible = durable;
  }

  void change(NameChange change) {
    carry_out(visible, change);
    pending.push_back(std::move(change));
  }
  Inode& file(const std::string& name) { return inodes.at(static_cast<std::size_t>(visible.at(name).inode)); }

  void play(const DiskEvent& event) {
    switch (event.kind) {
      case Kind::create:
        inodes.emplace_back();
        return change({{}, event.name, {.inode = static_cast<int>(inodes.size()) - 1, .target = {}}});
      case Kind::write:
        return file(event.name).write(event.writer, event.offset, event.data);
      case Kind::set_length:
        return file(event.name).pending.push_back({event.writer, event.offset, {}});
      case Kind::sync_file:
        return file(event.name).sync(event.writer);
      case Kind::rename:
        return change({event.name, event.to, visible.at(event.name)});
      case Kind::remove:
        return change({event.name, {}, {}});
      case Kind::link:
        return change({{}, event.name, {.inode = -1, .target = event.to}});
      case Kind::sync_directory:
        for (const NameChange& done : pending) carry_out(durable, done);
        return pending.clear();
    }
  }

  template <class Keep>
  [[nodiscard]] DiskImage image(std::uint64_t kept_changes, Keep&& keep) const {
    Names names = durable;
    for (std::size_t i = 0; i < pending.size(); ++i)
      if ((kept_changes >> i & 1) != 0) carry_out(names, pending[i]);
    DiskImage image;
    for (const auto& [name, entry] : names)
      if (entry.inode < 0)
        image.links[name] = entry.target;
      else
        image.files[name] = inodes[static_cast<std::size_t>(entry.inode)].content(keep);
    return image;
  }
};

}  // namespace

Recorder::Recorder(const fs::path& directory, int writer)
    : directory_(directory),
      writer_(writer),
      watch_(
          directory, [](const SystemCall&) { return 0; },
          [this](const SystemCall& call, std::int64_t result) {
            if (result >= 0) note(call);
          }) {}

void Recorder::note(const SystemCall& call) {
  static const std::map<std::string_view, Kind> kinds = {
      {"write", Kind::write},          {"pwrite", Kind::write},   {"ftruncate", Kind::set_length},
      {"fallocate", Kind::set_length}, {"rename", Kind::rename},  {"unlink", Kind::remove},
      {"symlink", Kind::link},         {"fsync", Kind::sync_file}};
  DiskEvent event{.writer = writer_,
                  .time_ns = now_ns(),
                  .name = call.path.filename(),
                  .to = call.to.filename(),
                  .offset = call.offset,
                  .data = Bytes(call.data.begin(), call.data.end())};
  if (call.name == "open") {
    const bool is_new = (call.flags & O_CREAT) != 0 && std::ranges::none_of(events_, [&](const DiskEvent& earlier) {
                          return earlier.kind == Kind::create && earlier.name == event.name;
                        });
    if (is_new) event.kind = Kind::create, events_.push_back(event);
    if ((call.flags & O_TRUNC) != 0) event.kind = Kind::set_length, events_.push_back(std::move(event));
    return;
  }
  const auto kind = kinds.find(call.name);
  if (kind == kinds.end()) return;
  event.kind = call.path == directory_ ? Kind::sync_directory : kind->second;
  events_.push_back(std::move(event));
}

DiskImage DiskImage::of(const fs::path& directory) {
  DiskImage image;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (entry.is_symlink()) {
      image.links[name] = fs::read_symlink(entry.path());
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto bytes = std::as_bytes(std::span(text));
    image.files[name] = Bytes(bytes.begin(), bytes.end());
  }
  return image;
}

void DiskImage::write_to(const fs::path& directory) const {
  fs::remove_all(directory);
  fs::create_directories(directory);
  for (const auto& [name, content] : files)
    std::ofstream(directory / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  for (const auto& [name, target] : links) fs::create_symlink(target, directory / name);
}

std::set<DiskImage> images_after_crash(const DiskImage& start, const std::vector<DiskEvent>& events, std::size_t count,
                                       std::size_t limit, std::mt19937_64& random) {
  Disk disk(start);
  for (std::size_t i = 0; i < count; ++i) disk.play(events[i]);
  const std::uint64_t subsets = std::uint64_t{1} << std::min<std::size_t>(disk.pending.size(), 60);
  std::set<DiskImage> images;
  for (std::uint64_t n = 0; n < std::min<std::uint64_t>(subsets, limit); ++n) {
    const std::uint64_t subset = subsets <= limit ? n : random() % subsets;
    images.insert(disk.image(subset, [] { return true; }));
    images.insert(disk.image(subset, [] { return false; }));
    images.insert(disk.image(subset, [&] { return random() % 2 == 0; }));
  }
  return images;
}

}  // namespace holdfast::storage::test
