#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "load/arrange.hpp"
#include "load/exchange.hpp"
#include "load/place.hpp"
#include "load/relay.hpp"
#include "load/reshard.hpp"
#include "storage/reader.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// A set of numbers below `size` that ranks can unite.
class Marks {
 public:
  explicit Marks(std::size_t size) : words_((size + 63) / 64) {}
  void set(std::size_t number) { words_[number / 64] |= std::uint64_t{1} << number % 64; }
  [[nodiscard]] bool test(std::size_t number) const { return (words_[number / 64] >> number % 64 & 1) != 0; }
  /// Collective.
  void unite(const mpi::Communicator& comm) {
    if (!words_.empty()) comm.allreduce(std::span<std::uint64_t>(words_), MPI_BOR);
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// One load of one file: steps 2 to 4 of load().
class FileLoad {
 public:
  FileLoad(const mpi::Communicator& comm, const Targets& targets, const LoadOptions& options, int threads)
      : comm_(comm), targets_(targets), options_(options), threads_(threads) {}

  /// Collective; once.
  LoadReport run(const std::filesystem::path& path);
  /// Has run(), even if it threw, come to where it writes into the program's memory? The same on all ranks.
  [[nodiscard]] bool is_writing() const noexcept { return is_writing_; }
  /// What it has written there then, at least in part, on this rank.
  [[nodiscard]] std::set<std::string> overwritten() const;

 private:
  void open(const std::filesystem::path& path);
  void check_names();
  void check_world(const std::string& name);
  [[nodiscard]] bool checks_on_the_way() const { return options_.verify && !options_.verify_first; }
  [[nodiscard]] bool is_checked_on_the_way(const Part& part) const;
  [[nodiscard]] std::vector<Offer> offers() const;
  [[nodiscard]] Offer offer(const Read& read, const Part& part) const;
  void verify_all(const Orders& orders);
  void read();
  void read_own(Placement& placement);
  [[nodiscard]] std::optional<Treatment> treat(const Read& read, const Part& part);
  void remember_stretches(std::span<const Task> tasks);
  void read_shared(Placement& placement);
  [[nodiscard]] std::vector<SharedChunk> shared_chunks() const;
  void check_own_sums() const;
  [[nodiscard]] std::uint32_t number_of(std::uint64_t row) const;
  [[nodiscard]] std::uint64_t address_of(const storage::ChunkRecord& chunk) const;
  [[nodiscard]] std::size_t element_bytes(const storage::ChunkRecord& chunk) const;

  const mpi::Communicator& comm_;
  const Targets targets_;
  const LoadOptions& options_;
  const int threads_;
  std::optional<storage::CheckpointReader> file_;
  ReadList list_;
  Orders orders_;
  std::set<std::uint32_t> shared_;               ///< chunks that others read, too
  std::vector<std::unique_ptr<Checksum>> sums_;  ///< of those that this rank reads as a whole
  std::map<std::uint64_t, Loaded> loaded_;       ///< what it has of those of which others have the rest
  bool is_writing_ = false;
  LoadReport report_;
};

}  // namespace holdfast::load
