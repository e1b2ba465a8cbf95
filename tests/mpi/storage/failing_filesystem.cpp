#include "failing_filesystem.hpp"

#include <cerrno>
#include <holdfast/error.hpp>

#include "base/error_text.hpp"

namespace holdfast::storage::test {
namespace {

using std::filesystem::path;

class FailingFileSystem final : public FileSystem {
 public:
  explicit FailingFileSystem(Faults& faults) : faults_(faults) {}

  void make_directory(const path& p) override { checked(Call::make_directory, p).make_directory(p); }
  void check_access(const path& p) override { checked(Call::check_access, p).check_access(p); }
  bool exists(const path& p) override { return real_->exists(p); }
  bool is_ours_alone(const path& p) override { return real_->is_ours_alone(p); }
  void reserve(const path& p, std::uint64_t bytes) override {
    FileSystem& real = checked(Call::reserve, p);
    if (!faults_.no_reservation()) real.reserve(p, bytes);
  }
  void sync_file(const path& p) override { checked(Call::sync_file, p).sync_file(p); }
  void sync_directory(const path& p) override { checked(Call::sync_directory, p).sync_directory(p); }
  void rename(const path& from, const path& to) override { checked(Call::rename, to).rename(from, to); }
  void remove(const path& p) override { checked(Call::remove, p).remove(p); }
  void replace_link(const path& target, const path& link) override {
    checked(Call::replace_link, link).replace_link(target, link);
  }
  std::vector<std::string> list(const path& p) override { return checked(Call::list, p).list(p); }
  std::uint64_t free_bytes(const path& p) override { return real_->free_bytes(p); }
  std::string read(const path& p) override { return real_->read(p); }
  void append(const path& p, const std::string& text) override { checked(Call::append, p).append(p, text); }
  std::unique_ptr<DirectoryLock> lock(const path& file, const std::string& holder, double timeout_s) override {
    return real_->lock(file, holder, timeout_s);
  }

 private:
  FileSystem& checked(Call call, const path& p) {
    faults_.check(call, p);
    return *real_;
  }

  Faults& faults_;
  std::unique_ptr<FileSystem> real_ = make_posix_filesystem();
};

}  // namespace

void Faults::check(Call call, const path& p) {
  if (armed_ != call) return;
  armed_.reset();
  throw Error(ErrorCode::storage, "injected: " + errno_text(EIO),
              {.rank = -1, .host = host_name(), .path = p.string(), .tensor = {}});
}

std::unique_ptr<FileSystem> make_failing_filesystem(Faults& faults) {
  return std::make_unique<FailingFileSystem>(faults);
}

}  // namespace holdfast::storage::test
