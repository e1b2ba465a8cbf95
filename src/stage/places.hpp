#pragma once

#include <string>
#include <vector>

#include "plan/local.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// Where the memory of each item is. Throws Error(invalid_argument), naming the tensor, for memory that is neither this
/// process's nor a device's, such as memory of a device that was freed, as far as the system can tell; what CUDA says if it
/// cannot be asked. In a process without CUDA it is all host memory and nothing is looked at.
[[nodiscard]] std::vector<cuda::Place> find_places(const plan::LocalPlan& local);

/// Throws Error(invalid_state) if `stream` cannot be one, as there is no CUDA.
void check_stream(cuda::Stream stream);

/// Waits until `stream` has done what it has to do now, where any of the memory is a device's or pinned: nobody uses it
/// then. Throws Error(timeout).
void await(const std::vector<cuda::Place>& places, cuda::Stream stream, Deadline deadline);

}  // namespace holdfast::stage
