#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>

#include "load/reshard.hpp"
#include "plan/local.hpp"
#include "storage/reader.hpp"

namespace holdfast::load {

/// Carries out one read: from the file into the memory of the tensor or value, through a buffer of at most 16 MiB where the
/// memory is strided or the dtype is converted. Returns the bytes read.
std::uint64_t place(const storage::CheckpointReader& file, const Read& read, const plan::LocalPlan& local, StateDict& state);

}  // namespace holdfast::load
