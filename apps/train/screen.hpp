#pragma once

#include <cstdint>
#include <string_view>

/// What rank 0 writes to standard output, each line at once: plain lines, or, for a terminal, colours and a bar below
/// them.
namespace train::screen {

/// What a line tells of.
enum class Tone { plain, good, bad };

/// Writes for a terminal from now on, unless NO_COLOR is set.
void use_terminal();

void line(std::string_view text, Tone tone = Tone::plain);
/// The epoch that is done: a line, or the bar.
void epoch(std::int64_t done, std::int64_t of, double loss);
/// Takes the bar away.
void end();

}  // namespace train::screen
