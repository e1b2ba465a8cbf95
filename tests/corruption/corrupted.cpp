// Damages a checkpoint at random, again and again, and sees what `verify` and `load` make of it. Run by corruptions.py,
// which notices when this program crashes or hangs.
//   corrupted make DIRECTORY                     two checkpoints, steps 1 and 2
//   corrupted check DIRECTORY SEED FIRST COUNT   corruptions FIRST to FIRST + COUNT - 1 of the newer one, a line about
//   each
#include <fmt/format.h>
#include <mpi.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <holdfast/state_dict.hpp>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include "inspect/inspect.hpp"
#include "load/loader.hpp"
#include "mpi/storage/sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/hdf5_types.hpp"
#include "storage/read/source.hpp"
#include "storage/write/hdf5_file.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace {

using namespace holdfast;
namespace fs = std::filesystem;
using storage::test::SampleSave;

/// What the program may have beyond what it has at the start: the checkpoint has some 100 KB.
constexpr std::uint64_t spare_bytes = 256 << 20;
constexpr std::uint64_t spare_resident_bytes = 48 << 20;

SampleSave make_sample() {
  SampleSave sample(1);
  for (int i = 0; i < dtype_count; ++i)
    sample.add({"group/" + std::string(to_string(static_cast<DType>(i))),
                plan::DatasetKind::tensor,
                static_cast<DType>(i),
                {16, 8}});
  sample.add({"large", plan::DatasetKind::tensor, DType::f32, {80, 256}});
  sample.add({"text", plan::DatasetKind::string, DType::u8, {30}});
  sample.add({"rng", plan::DatasetKind::per_rank, DType::u32, {5}});
  return sample;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The bytes of tensors and values: where each begins and how many there are.
std::map<std::uint64_t, std::uint64_t> covered_ranges(const fs::path& path, const SampleSave& sample) {
  std::map<std::uint64_t, std::uint64_t> ranges;
  const hdf5::BufferedFile file = hdf5::BufferedFile::open_to_read(path);
  for (const plan::Dataset& dataset : sample.datasets())
    ranges[hdf5::address_of(hdf5::DatasetAccess().open(file.get(), storage::path_of(dataset))).value()] =
        volume(dataset.global) * size_of(dataset.dtype);
  return ranges;
}

class Corruption {
 public:
  Corruption(const std::string& original, const std::map<std::uint64_t, std::uint64_t>& covered, std::uint64_t seed)
      : original_(original), covered_(covered), random_(seed), damaged_(original) {
    static constexpr const char* kinds[] = {"flips", "noise", "zeros", "swap", "copy", "truncation", "tail"};
    const std::size_t kind = number(0, std::size(kinds) - 1);
    kind_ = kinds[kind];
    do damage(kind);
    while (damaged_ == original_);
  }
  [[nodiscard]] const std::string& damaged() const noexcept { return damaged_; }
  [[nodiscard]] const char* kind() const noexcept { return kind_; }
  /// Does it change a byte that some checksum of a chunk stands for?
  [[nodiscard]] bool hits_content() const {
    for (const auto& [begin, bytes] : covered_)
      if (begin + bytes > damaged_.size() || damaged_.compare(begin, bytes, original_, begin, bytes) != 0) return true;
    return false;
  }

 private:
  std::uint64_t number(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
  }
  /// Every second place is in the first 12 KB, where HDF5's own data lie.
  std::uint64_t place() {
    return number(0, (number(0, 1) == 0 ? std::min<std::uint64_t>(12 << 10, original_.size()) : original_.size()) - 1);
  }
  std::uint64_t length_at(std::uint64_t at) { return std::min<std::uint64_t>(number(1, 600), original_.size() - at); }

  void damage(std::size_t kind) {
    const std::uint64_t at = place(), other = place();
    const std::uint64_t bytes = std::min(length_at(at), length_at(other));
    switch (kind) {
      case 0:
        for (std::uint64_t i = number(1, 8); i > 0; --i) damaged_[place()] ^= static_cast<char>(1U << number(0, 7));
        return;
      case 1:
        for (std::uint64_t i = 0; i < bytes; ++i) damaged_[at + i] = static_cast<char>(number(0, 255));
        return;
      case 2:
        damaged_.replace(at, bytes, bytes, '\0');
        return;
      case 3:
        damaged_.replace(at, bytes, original_, other, bytes).replace(other, bytes, original_, at, bytes);
        return;
      case 4:
        damaged_.replace(at, bytes, original_, other, bytes);
        return;
      case 5:
        return damaged_.resize(place());
      default:
        damaged_.append(number(1, 5000), static_cast<char>(number(0, 255)));
    }
  }

  const std::string& original_;
  const std::map<std::uint64_t, std::uint64_t>& covered_;
  std::mt19937_64 random_;
  std::string damaged_;
  const char* kind_ = nullptr;
};

/// Memory of the program that is loaded into.
class Target {
 public:
  explicit Target(const SampleSave& sample) : sample_(sample) {
    for (const plan::Dataset& dataset : sample.datasets()) {
      Bytes& bytes = memory_.emplace_back(volume(dataset.global) * size_of(dataset.dtype));
      if (dataset.kind == plan::DatasetKind::tensor)
        state_.add(dataset.name, replicated(bytes.data(), dataset.dtype, dataset.global));
    }
    state_.add("text", text_);
    state_.add_per_rank("rng", rng_);
  }
  StateDict& cleared() {
    for (Bytes& bytes : memory_) std::ranges::fill(bytes, std::byte{0xee});
    text_ = "x";
    rng_.clear();
    return state_;
  }
  /// Is every byte what was saved?
  [[nodiscard]] bool is_exact() const {
    for (std::uint32_t i = 0; i < sample_.datasets().size(); ++i) {
      const plan::Dataset& dataset = sample_.datasets()[i];
      const Bytes wanted = sample_.content(i, whole(dataset.global));
      const auto equals = [&](std::span<const std::byte> bytes) { return std::ranges::equal(bytes, wanted); };
      if (dataset.kind == plan::DatasetKind::string     ? !equals(std::as_bytes(std::span(text_)))
          : dataset.kind == plan::DatasetKind::per_rank ? !equals(std::as_bytes(std::span(rng_)))
                                                        : !equals(memory_[i]))
        return false;
    }
    return true;
  }

 private:
  const SampleSave& sample_;
  std::deque<Bytes> memory_;
  std::string text_;
  std::vector<std::uint32_t> rng_;
  StateDict state_;
};

std::uint64_t status_bytes(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field)) return std::stoull(line.substr(field.size() + 1)) * 1024;
  return 0;
}

/// A load needs our tables and the tensors' bytes. What other programs need besides may be damaged: `verify` alone
/// looks at that.
bool is_only_hdf5s(const inspect::VerifyReport& report, const fs::path& path) {
  return storage::open_whole(path)->other_views().size() == report.problems.size();
}

/// What is wrong with how the damaged file was taken; empty if nothing is.
std::string judge(const mpi::Communicator& comm, const fs::path& directory, const Corruption& corruption,
                  Target& target, bool& noticed) {
  const auto report = inspect::verify(directory / storage::file_name(2), {});
  noticed = !report.problems.empty();
  for (const std::string& problem : report.problems)
    if (problem.find("memory") != std::string::npos) return "verify: " + problem;
  const LoadReport loaded = load::load(comm, directory, target.cleared(), {});
  if (!target.is_exact()) return fmt::format("step {} was loaded with wrong content", loaded.step);
  if (corruption.hits_content() && (!noticed || loaded.step == 2)) return "changed content was not noticed";
  const LoadReport verified_first = load::load(comm, directory, target.cleared(), {.verify_first = true});
  if (!target.is_exact() || verified_first.step != loaded.step)
    return fmt::format("verified first, step {} is taken, or wrong", verified_first.step);
  if (loaded.step == 2 && noticed && !is_only_hdf5s(report, directory / storage::file_name(2)))
    return "verify found something, but load took the file: " + report.problems.front();
  return {};
}

void make(const mpi::Communicator& comm, const fs::path& directory) {
  SampleSave sample = make_sample();
  storage::CheckpointStore store(comm, storage::make_posix_filesystem(), storage::make_checkpoint_file(comm),
                                 {.directory = directory, .nonce = "n", .holder = "test"});
  for (const std::int64_t step : {1, 2}) store.save(sample.request(step, 0));
}

void check(const mpi::Communicator& comm, const fs::path& directory, std::uint64_t seed, std::uint64_t first,
           std::uint64_t count) {
  const SampleSave sample = make_sample();
  const fs::path path = directory / storage::file_name(2);
  const std::string original = content_of(directory / storage::file_name(1));  // of the same length and places
  const auto covered = covered_ranges(directory / storage::file_name(1), sample);
  const std::string whole_file = content_of(path);
  if (original.size() != whole_file.size()) throw std::runtime_error("the two files differ in length");
  Target target(sample);
  static_cast<void>(load::load(comm, directory, target.cleared(), {.step = 1}));
#ifndef __SANITIZE_THREAD__  // its records take more address space with every look
  const rlimit limit{status_bytes("VmSize:") + spare_bytes, status_bytes("VmSize:") + spare_bytes};
  setrlimit(RLIMIT_AS, &limit);
#endif
  const std::uint64_t resident = status_bytes("VmHWM:");
  for (std::uint64_t i = first; i < first + count; ++i) {
    const Corruption corruption(whole_file, covered, seed + i);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << corruption.damaged();
    std::printf("%lu %s ", i, corruption.kind());
    std::fflush(stdout);
    bool noticed = false;
    std::string wrong = judge(comm, directory, corruption, target, noticed);
    if (wrong.empty() && status_bytes("VmHWM:") > resident + spare_resident_bytes) wrong = "much memory was used";
    std::printf("%s\n", wrong.empty() ? (noticed ? "noticed" : "harmless") : ("WRONG: " + wrong).c_str());
    std::fflush(stdout);
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << whole_file;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  int status = 0;
  try {
    if (argc == 3)
      make(comm, argv[2]);
    else if (argc == 6)
      check(comm, argv[2], std::stoull(argv[3]), std::stoull(argv[4]), std::stoull(argv[5]));
  } catch (const std::exception& error) {
    std::printf("WRONG: %s\n", error.what());
    status = 1;
  }
  comm.free();
  MPI_Finalize();
  return status;
}
