#include "output.hpp"

#include <fmt/color.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/clock.hpp"

namespace holdfast::cli {
namespace {

bool colours() {
  static const bool wanted = [] {
    const char *no_colour = std::getenv("NO_COLOR"), *terminal = std::getenv("TERM");
    if (no_colour != nullptr && *no_colour != '\0') return false;
    return isatty(STDOUT_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
  }();
  return wanted;
}

/// Number of characters of UTF-8 text.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

double now_s() {
  return Seconds(Clock::now().time_since_epoch()).count();
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; amount >= 1023.95; amount /= 1024) ++unit;  // not 1024.0, but 1.0 of the next unit
  return fmt::format("{:.1f} {}", amount, units[unit]);
}

std::string toned(Tone tone, const std::string& text) {
  if (!colours()) return text;
  switch (tone) {
    case Tone::plain:
      return text;
    case Tone::heading:
      return fmt::format(fmt::emphasis::bold, "{}", text);
    case Tone::good:
      return fmt::format(fmt::fg(fmt::terminal_color::green), "{}", text);
    case Tone::bad:
      return fmt::format(fmt::fg(fmt::terminal_color::red), "{}", text);
  }
  return text;
}

void Table::print() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(width(columns_[c].heading));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], width(row[c]));
  }
  const auto line = [&](Tone tone, auto&& cell) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string padding(widths[c] - width(cell(c)), ' ');
      const bool last = c + 1 == columns_.size();
      if (columns_[c].align == Align::right)
        text += padding + cell(c) + (last ? "" : "  ");
      else
        text += cell(c) + (last ? "" : padding + "  ");
    }
    fmt::print("{}\n", toned(tone, text));
  };
  line(Tone::heading, [&](std::size_t c) -> const std::string& { return columns_[c].heading; });
  for (const auto& row : rows_) line(Tone::plain, [&](std::size_t c) -> const std::string& { return row[c]; });
}

void print_json(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

ProgressBar::ProgressBar(std::string label) : label_(std::move(label)), shown_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total) {
  if (!shown_ || total == 0 || (now_s() - last_drawn_s_ < 0.1)) return;
  last_drawn_s_ = now_s();
  constexpr std::size_t length = 30;
  const auto filled = static_cast<std::size_t>(static_cast<double>(done) / static_cast<double>(total) * length);
  const std::string bar = std::string(filled, '#') + std::string(length - filled, '.');
  const std::string line = fmt::format("\r\033[K{}  [{}] {:3}%  {} of {}", label_, bar, filled * 100 / length,
                                       human_bytes(done), human_bytes(total));
  std::fputs(line.c_str(), stderr);
}

}  // namespace holdfast::cli
