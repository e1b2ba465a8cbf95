#include "screen.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace train::screen {
namespace {

bool on_terminal = false;
std::string bar;  // as it is on the terminal; empty: there is none

/// Goes to the beginning of the terminal's line and clears it.
constexpr const char* clear = "\r\033[K";

const char* colour_of(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "\033[32m";
    case Tone::bad:
      return "\033[31m";
    case Tone::plain:
      break;
  }
  return "";
}

std::string bar_of(std::int64_t done, std::int64_t of, double loss) {
  constexpr std::int64_t width = 30;
  const auto filled = static_cast<std::size_t>(width * done / of);
  return fmt::format("[{:-<{}}] epoch {} of {}, loss {:.6f}", std::string(filled, '#'), width, done, of, loss);
}

}  // namespace

void use_terminal() {
  const char* no_colour = std::getenv("NO_COLOR");
  on_terminal = no_colour == nullptr || *no_colour == '\0';
}

void line(std::string_view text, Tone tone) {
  if (on_terminal)
    fmt::print("{}{}{}\033[0m\n{}", clear, colour_of(tone), text, bar);
  else
    fmt::print("{}\n", text);
  std::fflush(stdout);
}

void epoch(std::int64_t done, std::int64_t of, double loss) {
  if (!on_terminal) return line(fmt::format("epoch {} loss {:.17g}", done, loss));
  bar = bar_of(done, of, loss);
  fmt::print("{}{}", clear, bar);
  std::fflush(stdout);
}

void end() {
  if (bar.empty()) return;
  bar.clear();
  fmt::print("{}", clear);
  std::fflush(stdout);
}

}  // namespace train::screen
