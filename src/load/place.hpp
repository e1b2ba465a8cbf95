#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>
#include <vector>

#include "load/reshard.hpp"
#include "plan/local.hpp"
#include "stage/upload.hpp"
#include "storage/reader.hpp"

namespace holdfast::load {

/// Where reads go: the memory of the tensors, which `places` tells the kind of, and the values.
struct Targets {
  StateDict& state;
  const plan::LocalPlan& local;
  const std::vector<cuda::Place>& places;
  stage::Uploads& uploads;  ///< to be finished by the caller
};

/// Carries out one read: from the file into the memory of the tensor or value, through a buffer of at most 16 MiB where the
/// memory is strided or on a device, or the dtype is converted. Returns the bytes read.
std::uint64_t place(const storage::CheckpointReader& file, const Read& read, const Targets& targets);

}  // namespace holdfast::load
