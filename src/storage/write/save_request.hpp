#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <holdfast/options.hpp>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "wrap/mpi.hpp"

/// A save: what is written, how, and the result.
namespace holdfast::storage {

/// A piece of a dataset in this writer's memory, packed row-major.
struct Chunk {
  std::uint32_t dataset = 0;  ///< position in SaveRequest::datasets
  Box box;
  int rank = -1;  ///< rank that staged it
  std::span<const std::byte> bytes;
};

/// One writer's view of a save. All members but `chunks`, `copy` and `attributes` are the same on all writers.
struct SaveRequest {
  std::int64_t step = -1;
  std::int64_t sequence = 0;  ///< place in the line (lineage.hpp); 0: after the newest save
  std::int64_t parent = 0;
  std::uint64_t plan = 0;  ///< equal numbers on a writer: equal datasets and boxes; 0: unique
  int world_size = 0;
  std::span<const plan::Dataset> datasets;
  std::vector<Chunk> chunks;
  std::string copy;             ///< how rank 0 copied its part, on its writer; for the event log
  std::string attributes = {};  ///< JSON text that describes the save, on the same writer
};

/// How files are laid out and written: Options, and the environment below them.
struct FileSettings {
  Engine engine = Engine::automatic;
  std::string method = {};         ///< "H5Dwrite", "io_uring" or "pwrite", of the engine in force; for the event log
  std::string mpi_io = "default";  ///< MPI-IO component, as mpi::chosen_io() returns it
  mpi::Hints mpi_io_hints = {};
  std::uint64_t alignment_bytes = 64 << 10;   ///< alignment of datasets of at least 1 MiB
  std::uint64_t write_limit_bytes_per_s = 0;  ///< limit of each writer; 0: none
};

struct SaveResult {
  std::filesystem::path path;
  std::uint64_t bytes = 0;  ///< bytes of all chunks of all writers
  double write_s = 0;
  double fsync_s = 0;
  double total_s = 0;
};

}  // namespace holdfast::storage
