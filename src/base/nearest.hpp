#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

/// The candidate that is nearest to `name`, for the text of an error: by Levenshtein's distance, the first of several,
/// and none that differs in more than half of its length. Compares text of one size first, and stops early, so that
/// 100,000 names take some hundredths of a second.
[[nodiscard]] std::optional<std::string> nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace holdfast
