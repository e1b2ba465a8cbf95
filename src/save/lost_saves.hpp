#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>

namespace holdfast::save {

/// Logs a save that was lost with its helper, which cannot log it any more. Does not wait: the returned future is ready
/// when the line is written, and is not valid if there is nothing to write.
using NoteLostSave = std::function<std::shared_future<void>(std::int64_t step, const Error& error)>;

/// Local, for rank 0. Returns a function that appends a line to the event log of the directory, and makes the log with
/// the run's permission bits if it does not exist. It writes in a thread of its own, since the file system may be why
/// the helper is lost. It never throws.
[[nodiscard]] NoteLostSave lost_saves_log(const Options& options);

}  // namespace holdfast::save
