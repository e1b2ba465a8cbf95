#pragma once

#include <cstdint>

/// Every name in a checkpoint file and its directory. docs/format.md describes them; the two change together.
namespace holdfast::storage::format {

inline constexpr std::int64_t version = 3, oldest_version = 2;
inline constexpr std::int64_t first_version_with_lineage = 3;

// Attributes of the root group
inline constexpr char attr_format[] = "format";  // string "holdfast"
inline constexpr char format_name[] = "holdfast";
inline constexpr char attr_version[] = "format_version";           // i64
inline constexpr char attr_step[] = "step";                        // i64
inline constexpr char attr_sequence[] = "sequence";                // i64
inline constexpr char attr_parent[] = "parent";                    // i64
inline constexpr char attr_abandoned[] = "abandoned";              // 1-d i64: pairs of first and last sequence
inline constexpr char attr_created[] = "created";                  // string, UTC, ISO 8601
inline constexpr char attr_world_size[] = "world_size";            // i64
inline constexpr char attr_library_version[] = "library_version";  // string

// Groups and tables
inline constexpr char state_group[] = "/state";
inline constexpr char internal_group[] = "/holdfast";
inline constexpr char per_rank_group[] = "/holdfast/per_rank";
/// 1-d compound {name: fixed string, kind: enum of plan::DatasetKind, dtype: enum of DType, dimensions u8, shape u64,
/// address u64}. The row number is a chunk's `dataset`. `shape` is the index of its global shape in shapes_table,
/// `address` the file offset of its bytes.
inline constexpr char datasets_table[] = "/holdfast/datasets";
inline constexpr char shapes_table[] = "/holdfast/shapes";  // 1-d u64
/// 1-d compound {dataset u64, rank i64, first u64, xxh3 u64}: one row per saved chunk, grouped by writer. `first` is
/// the index of its box in boxes_table: offsets, then extents, one number per dimension of the dataset.
inline constexpr char chunks_table[] = "/holdfast/chunks";
inline constexpr char boxes_table[] = "/holdfast/boxes";  // 1-d u64
/// 1-d compound {chunks u64, boxes u64, xxh3 u64}: per writer its number of rows in chunks_table and of numbers in
/// boxes_table, and the XXH3-64 of their raw bytes. The last row has the sums, and the XXH3-64 over datasets_table,
/// shapes_table and the rows before it.
inline constexpr char parts_table[] = "/holdfast/parts";

/// A text attribute of the root group, of fixed length: the attributes of the save as JSON, then spaces.
inline constexpr char attr_attributes[] = "attributes";

// The directory
inline constexpr char file_prefix[] = "step-";  // step-000000000100.h5, 12 digits or more
inline constexpr char file_suffix[] = ".h5";
inline constexpr char partial_suffix[] = ".partial";  // .step-000000000100.h5.<nonce>.partial
inline constexpr char latest_link[] = "latest";       // symbolic link to the head (lineage.hpp)
inline constexpr char lock_file[] = ".holdfast.lock";
inline constexpr char events_file[] = "events.jsonl";
inline constexpr char save_now_file[] = "save-now";  // put there by a person: save at once
inline constexpr char halt_file[] = "halt";          // put there by a person: save, and end

}  // namespace holdfast::storage::format
