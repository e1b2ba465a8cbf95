#pragma once

#include <string>
#include <vector>

#include "plan/local.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// The memory space of each item. Throws Error(invalid_argument), naming the tensor, for memory that is neither this
/// process's nor a device's, such as freed device memory, as far as the system can tell. Throws CUDA's error if CUDA
/// cannot be asked. In a process without CUDA all memory is host memory, and nothing is checked.
[[nodiscard]] std::vector<cuda::MemorySpace> find_memory_spaces(const plan::LocalPlan& local);

/// Throws Error(invalid_argument) if a stream is given in a process without CUDA.
void check_stream(cuda::Stream stream);

/// Waits until `stream` has done its present work, if any of the memory is a device's or pinned. Nobody uses the memory
/// then. Throws Error(timeout).
void await(const std::vector<cuda::MemorySpace>& spaces, cuda::Stream stream, Deadline deadline);

}  // namespace holdfast::stage
