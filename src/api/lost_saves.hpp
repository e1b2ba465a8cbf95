#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>

namespace holdfast::api {

/// Takes note of a save that was lost with its helper, which can write no line about it any more. Waits for nothing; what it returns
/// is ready when that is done, and is not valid where nothing is to be done.
using NoteLostSave = std::function<std::shared_future<void>(std::int64_t step, const Error& error)>;

/// Local, for rank 0: appends a line to the event log of the directory, with the run's permission bits if it has to be made; in a
/// thread of its own, since the file system may be what the helper was lost to. Never throws.
[[nodiscard]] NoteLostSave lost_saves_log(const Options& options);

}  // namespace holdfast::api
