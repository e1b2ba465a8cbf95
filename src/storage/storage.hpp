#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/options.hpp>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "storage/lineage.hpp"
#include "wrap/mpi.hpp"

/// The interfaces of storage. The helper sees StorageWriter; CheckpointStore (commit.hpp) carries out the commit around a
/// FileEngine, which knows how bytes get into a file (file_engine.hpp).
namespace holdfast::storage {

/// A piece of a dataset in this writer's memory, packed row-major.
struct Chunk {
  std::uint32_t dataset = 0;  ///< position in SaveRequest::datasets
  Box box;
  int rank = -1;  ///< who staged it
  std::span<const std::byte> bytes;
};

/// One writer's view of a save. All but the chunks, which are its own, is the same on all writers.
struct SaveRequest {
  std::int64_t step = -1;
  std::int64_t sequence = 0;  ///< its place in the line (lineage.hpp); 0: behind the newest save that there is
  std::int64_t parent = 0;
  std::uint64_t plan = 0;  ///< requests to one writer with the same number have the same datasets and boxes; 0: like no other
  int world_size = 0;
  std::span<const plan::Dataset> datasets;
  std::vector<Chunk> chunks;
  std::string copy;  ///< how rank 0 copied its part, where the first writer has it; for the event log
};

/// How files are laid out and written; what Options says, with the environment under it.
struct FileSettings {
  Engine engine = Engine::automatic;
  std::string method = {};         ///< how the engine in force writes: "H5Dwrite", "io_uring", "pwrite"; for the event log
  std::string mpi_io = "default";  ///< component, as mpi::chosen_io() says it; for the event log
  mpi::Hints mpi_io_hints = {};
  std::uint64_t alignment_bytes = 64 << 10;   ///< of datasets of at least 1 MiB
  std::uint64_t write_limit_bytes_per_s = 0;  ///< of each writer; 0: none
};

struct SaveResult {
  std::filesystem::path path;
  std::uint64_t bytes = 0;  ///< of all chunks of all writers
  double write_s = 0;
  double fsync_s = 0;
  double total_s = 0;
};

class StorageWriter {
 public:
  virtual ~StorageWriter() = default;
  /// A save is begun, written in one or more parts, and committed. These three are collective over the writers, and throw the
  /// same Error on all; then the save is over, and nothing of it is visible. `request` is borrowed until the save is over; it has
  /// all chunks, whose bytes matter from the write() on that they are given to.
  virtual void begin(const SaveRequest& request) = 0;
  virtual void write(std::span<const Chunk> chunks) = 0;
  /// Durable and visible on return.
  virtual SaveResult commit() = 0;
  /// Local. A line in the event log for a save that failed before begin() or between the others; those that these throw for have
  /// one.
  virtual void note_failure(std::int64_t step, const Error& error) noexcept = 0;
  /// Local. Gives up what was begun and not committed, if there is such a save.
  virtual void abandon() noexcept = 0;
  /// Local. A save of this place in the line failed before it was begun; others will go on from it.
  virtual void pass_over(std::int64_t sequence, std::int64_t parent) = 0;

  /// All of it.
  SaveResult save(const SaveRequest& request) {
    begin(request);
    write(request.chunks);
    return commit();
  }
};

/// What a file says of itself, beside what its request has.
struct Title {
  std::string created;  ///< UTC, ISO 8601
  Lineage lineage;
};

/// What a file is made in.
enum class Space {
  fresh,  ///< a new file; what is there is truncated
  /// The file that is there, which has the same layout (plan and number of abandoned ranges): its bytes stay where they are
  /// written over.
  recycled,
};

/// Writes the content of one file. Collective over the writers; each member throws the same Error on all of them, and
/// leaves no file open, whether it returns or throws: after a failure there is nothing to abandon but the file itself.
class FileEngine {
 public:
  virtual ~FileEngine() = default;
  /// Makes the file with every dataset in its place; returns the bytes that it will have. `title` matters on writer 0.
  virtual std::uint64_t create(const std::filesystem::path& path, const SaveRequest& request, const Title& title,
                               Space space) = 0;
  /// Writes some of the request's chunks. It may have to overwrite, but never to allocate.
  virtual void write(const std::filesystem::path& path, const SaveRequest& request, std::span<const Chunk> chunks) = 0;
  /// Writes the tables, with the checksums of all the request's chunks, which have to be written by now.
  virtual void finish(const std::filesystem::path& path) = 0;
  /// Local. The settings in force in the last write().
  [[nodiscard]] virtual const FileSettings& settings() const noexcept = 0;
};

}  // namespace holdfast::storage
