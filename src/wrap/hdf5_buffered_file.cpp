#include "wrap/hdf5_buffered_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "base/error_text.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::hdf5 {
namespace {

[[noreturn]] void fail_call(const char* call, const std::filesystem::path& path) {
  const int number = errno;
  throw Error(ErrorCode::storage, fmt::format("{}: {}", call, errno_text(number)),
              {.host = host_name(), .path = path.string()});
}

/// Files that are written must not be symbolic links.
constexpr int to_write = O_RDWR | O_NOFOLLOW;

}  // namespace

/// The file on disk, with the changes on top of it in memory.
class BufferedFile::Overlay {
 public:
  Overlay(const std::filesystem::path& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    struct stat status {};
    if (!fd_ || ::fstat(fd_.get(), &status) != 0) fail_call("open", path_);
    end_ = static_cast<std::uint64_t>(status.st_size);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  void set_end(std::uint64_t end) noexcept { end_ = end; }

  bool read(std::uint64_t offset, std::span<std::byte> out) const {
    if (!read_fully(fd_.get(), out.data(), out.size(), offset)) return false;
    for (auto it = first_overlap(offset); it != changes_.end() && it->first < offset + out.size(); ++it) {
      const std::uint64_t begin = std::max(offset, it->first),
                          end = std::min(offset + out.size(), it->first + it->second.size());
      std::copy_n(it->second.data() + (begin - it->first), end - begin, out.data() + (begin - offset));
    }
    return true;
  }

  void write(std::uint64_t offset, std::span<const std::byte> bytes) {
    const auto first = first_overlap(offset);
    if (first != changes_.end() && first->first <= offset &&
        offset + bytes.size() <= first->first + first->second.size()) {
      std::ranges::copy(bytes, first->second.data() + (offset - first->first));
      return;
    }
    replace(first, offset, bytes);
    end_ = std::max(end_, offset + bytes.size());
  }

  void put(const Image& image) {
    changes_ = image.parts;
    end_ = image.file_bytes;
  }
  [[nodiscard]] Image take() noexcept { return {std::move(changes_), end_}; }

  /// Joins adjacent changes: HDF5 writes thousands of small ones.
  void join() {
    Changes joined;
    for (auto& [offset, bytes] : changes_) {
      const auto last = joined.empty() ? joined.end() : std::prev(joined.end());
      if (last != joined.end() && last->first + last->second.size() == offset)
        last->second.insert(last->second.end(), bytes.begin(), bytes.end());
      else
        joined.emplace_hint(joined.end(), offset, std::move(bytes));
    }
    changes_ = std::move(joined);
  }

  void write_out() {
    for (const auto& [offset, bytes] : changes_)
      if (!write_fully(fd_.get(), bytes.data(), bytes.size(), offset)) fail_call("write", path_);
    if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) fail_call("ftruncate", path_);
    if (::close(fd_.take()) != 0) fail_call("close", path_);
  }

 private:
  using Changes = std::map<std::uint64_t, std::vector<std::byte>>;

  /// The first change that ends after `offset`.
  Changes::const_iterator first_overlap(std::uint64_t offset) const {
    auto it = changes_.upper_bound(offset);
    if (it != changes_.begin() && std::prev(it)->first + std::prev(it)->second.size() > offset) --it;
    return it;
  }
  Changes::iterator first_overlap(std::uint64_t offset) {
    const auto it = std::as_const(*this).first_overlap(offset);
    return changes_.erase(it, it);  // erases nothing: converts a const_iterator to an iterator
  }

  /// Merges `bytes` with the changes that they overlap.
  void replace(Changes::iterator it, std::uint64_t offset, std::span<const std::byte> bytes) {
    const std::uint64_t end = offset + bytes.size();
    std::vector<std::byte> merged(bytes.begin(), bytes.end());
    std::uint64_t merged_at = offset;
    while (it != changes_.end() && it->first < end) {
      const auto& [at, old] = *it;
      if (at < offset) {
        merged.insert(merged.begin(), old.begin(), old.begin() + static_cast<std::ptrdiff_t>(offset - at));
        merged_at = at;
      }
      if (at + old.size() > end)
        merged.insert(merged.end(), old.begin() + static_cast<std::ptrdiff_t>(end - at), old.end());
      it = changes_.erase(it);
    }
    changes_.emplace(merged_at, std::move(merged));
  }

  std::filesystem::path path_;
  FileDescriptor fd_;
  std::uint64_t end_ = 0;
  Changes changes_;
};

namespace {

// The HDF5 driver on top of an Overlay. C code calls its functions, so they must not throw.

/// HDF5's data of an open file; the public part must come first.
template <class Overlay>
struct Driver {
  H5FD_t common;
  Overlay* overlay;
  haddr_t end_of_addresses;

  static Driver* of(H5FD_t* file) { return reinterpret_cast<Driver*>(file); }
  static const Driver* of(const H5FD_t* file) { return reinterpret_cast<const Driver*>(file); }

  static H5FD_t* open(const char*, unsigned flags, hid_t access, haddr_t) {
    auto* const* overlay = static_cast<Overlay* const*>(H5Pget_driver_info(access));
    if (overlay == nullptr) return nullptr;
    if ((flags & H5F_ACC_TRUNC) != 0) (*overlay)->set_end(0);
    auto* driver = new (std::nothrow) Driver{};
    if (driver == nullptr) return nullptr;
    driver->overlay = *overlay;
    return &driver->common;
  }
  static herr_t close(H5FD_t* file) {
    delete of(file);
    return 0;
  }
  static herr_t query(const H5FD_t*, unsigned long* flags) {
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
  }
  static haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t) { return of(file)->end_of_addresses; }
  static herr_t set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t end) {
    of(file)->end_of_addresses = end;
    return 0;
  }
  static haddr_t get_eof(const H5FD_t* file, H5FD_mem_t) { return of(file)->overlay->end(); }
  static herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, void* data) {
    if (of(file)->overlay->read(at, {static_cast<std::byte*>(data), size})) return 0;
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_VFL, H5E_READERROR, "read failed: errno = %d",
             errno);
    return -1;
  }
  static herr_t write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, const void* data) try {
    of(file)->overlay->write(at, {static_cast<const std::byte*>(data), size});
    return 0;
  } catch (...) {
    return -1;  // out of memory, the only failure of a write into memory
  }
  static herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
    of(file)->overlay->set_end(of(file)->end_of_addresses);
    return 0;
  }

  static H5FD_class_t description() {
    H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
    driver.version = H5FD_CLASS_VERSION;
    driver.value = static_cast<H5FD_class_value_t>(H5_VFD_RESERVED + 1);
#endif
    driver.name = "holdfast_staged";
    driver.maxaddr = HADDR_MAX;
    driver.fc_degree = H5F_CLOSE_STRONG;
    driver.fapl_size = sizeof(Overlay*);
    driver.open = open;
    driver.close = close;
    driver.query = query;
    driver.get_eoa = get_eoa;
    driver.set_eoa = set_eoa;
    driver.get_eof = get_eof;
    driver.read = read;
    driver.write = write;
    driver.truncate = truncate;
    const H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(map), std::end(map), driver.fl_map);
    return driver;
  }
};

}  // namespace

BufferedFile::BufferedFile(std::unique_ptr<Overlay> overlay) : overlay_(std::move(overlay)), access_(file_access()) {
  const H5FD_class_t description = Driver<Overlay>::description();
  driver_.reset(call("H5FDregister", H5FDregister, &description));
  Overlay* target = overlay_.get();
  call("H5Pset_driver", H5Pset_driver, access_.get(), driver_.get(), &target);
}

BufferedFile::BufferedFile(BufferedFile&&) noexcept = default;
BufferedFile::~BufferedFile() = default;

BufferedFile BufferedFile::create(const std::filesystem::path& path, std::uint64_t alignment_bytes) {
  return make(std::make_unique<Overlay>(path, to_write | O_CREAT | O_TRUNC), alignment_bytes);
}

BufferedFile BufferedFile::write_over(const std::filesystem::path& path, std::uint64_t alignment_bytes) {
  return make(std::make_unique<Overlay>(path, to_write), alignment_bytes);
}

BufferedFile BufferedFile::open_to_read(const std::filesystem::path& path) {
  BufferedFile file(std::make_unique<Overlay>(path, O_RDONLY));
  file.file_.reset(open_file(path, H5F_ACC_RDONLY, file.access_));
  return file;
}

BufferedFile BufferedFile::make(std::unique_ptr<Overlay> overlay, std::uint64_t alignment_bytes) {
  BufferedFile file(std::move(overlay));
  set_alignment(file.access_, alignment_bytes);
  const std::filesystem::path& path = file.overlay_->path();
  file.file_.reset(
      call("H5Fcreate", H5Fcreate, path.c_str(), unsigned{H5F_ACC_TRUNC}, file_creation().get(), file.access_.get()));
  return file;
}

BufferedFile BufferedFile::make_again(const std::filesystem::path& path, const Image& image, bool is_new) {
  auto overlay = std::make_unique<Overlay>(path, to_write | (is_new ? O_CREAT | O_TRUNC : 0));
  overlay->put(image);
  BufferedFile file(std::move(overlay));
  file.file_.reset(open_file(path, H5F_ACC_RDWR, file.access_));
  return file;
}

BufferedFile::Image BufferedFile::finish() {
  call("H5Fclose", H5Fclose, file_.take());
  overlay_->join();
  overlay_->write_out();
  return overlay_->take();
}

}  // namespace holdfast::hdf5
