#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <holdfast/planner.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "load/assign_readers.hpp"
#include "load/checksum_chain.hpp"
#include "load/read_sink.hpp"
#include "load/reshard.hpp"
#include "load/shared_read.hpp"
#include "storage/read/source.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// A set of numbers below `size` that ranks can unite.
class Marks {
 public:
  explicit Marks(std::size_t size) : words_((size + 63) / 64) {}
  void set(std::size_t number) { words_[number / 64] |= std::uint64_t{1} << number % 64; }
  [[nodiscard]] bool test(std::size_t number) const { return (words_[number / 64] >> number % 64 & 1) != 0; }
  /// Collective. Adds the numbers of all other ranks.
  void unite(const mpi::Communicator& comm) {
    if (!words_.empty()) comm.allreduce(std::span<std::uint64_t>(words_), MPI_BOR);
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// One load of one file: steps 2 to 6 of load() (loader.hpp).
class FileLoad {
 public:
  FileLoad(const mpi::Communicator& comm, const Targets& targets, const LoadOptions& options,
           const LoadPlanner& planner, int threads)
      : comm_(comm), targets_(targets), options_(options), planner_(planner), threads_(threads) {}

  /// Collective. Called once.
  LoadReport run(const std::filesystem::path& path);
  /// True once run(), even if it throws, may have written into the program's memory. The same on all ranks.
  [[nodiscard]] bool is_writing() const noexcept { return is_writing_; }
  /// Names of this rank's items that run() may have written, at least in part; empty unless is_writing().
  [[nodiscard]] std::set<std::string> overwritten() const;

 private:
  void open(const std::filesystem::path& path);
  [[nodiscard]] const ValueRef* value_of(const BoxRead& read) const;
  void check_lengths() const;
  void check_names();
  void check_missing();
  void check_world(const std::string& name);
  [[nodiscard]] bool verifies() const { return options_.verify && file_->has_checksums(); }
  [[nodiscard]] bool checks_on_the_way() const { return verifies() && !options_.verify_first; }
  [[nodiscard]] bool is_checked_on_the_way(const ChunkPart& part) const;
  [[nodiscard]] std::vector<ChunkRequest> requests() const;
  void add_part(ChunkRequest& request, const BoxRead& read, const ChunkPart& part) const;
  void verify_all(const ReadAssignment& assignment);
  void read();
  void read_own(ReadSink& sink);
  void choose_modes();
  void remember_ranges(std::span<const ReadTask> tasks);
  void read_shared(ReadSink& sink);
  [[nodiscard]] std::vector<SharedChunk> shared_chunks() const;
  void check_own_sums() const;
  [[nodiscard]] std::uint32_t number_of(std::uint64_t row) const;
  [[nodiscard]] std::uint64_t address_of(const storage::ChunkRecord& chunk) const;
  [[nodiscard]] std::size_t element_bytes(const storage::ChunkRecord& chunk) const;

  const mpi::Communicator& comm_;
  const Targets targets_;
  const LoadOptions& options_;
  const LoadPlanner& planner_;
  const int threads_;
  std::unique_ptr<storage::Source> file_;
  ReadList list_;
  std::vector<std::string> unexcused_;  ///< missing names that the planner does not excuse
  ReadAssignment assignment_;
  std::set<std::uint32_t> shared_;               ///< numbers of the chunks that shared_read() reads
  std::vector<std::unique_ptr<Checksum>> sums_;  ///< by number of the chunk; set for chunks that this rank reads whole
  LoadedRanges loaded_;                          ///< ranges of chunks that others may have the rest of
  bool is_writing_ = false;
  LoadReport report_;
};

}  // namespace holdfast::load
