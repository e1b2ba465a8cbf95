#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>

namespace holdfast::api {

/// Takes note of a save that was lost with its helper, which can write no line about it any more.
using NoteLostSave = std::function<void(std::int64_t step, const Error& error)>;

/// Local, for rank 0: appends a line to the event log of the directory, with the run's permission bits if it has to be made. Waits
/// for nothing, since the file system may be what the helper was lost to; its last copy's end waits for lines under way, 2 s at
/// most. For one thread.
[[nodiscard]] NoteLostSave lost_saves_log(const Options& options);

}  // namespace holdfast::api
