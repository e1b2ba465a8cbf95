#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// Output of the commands: tables for people, with colour on a terminal unless NO_COLOR is set, and JSON for machines.
namespace holdfast::cli {

/// "512 B", "1.5 GiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

enum class Tone { plain, heading, good, bad };
/// The text in the colour of its tone, where standard output shows colours.
[[nodiscard]] std::string toned(Tone tone, const std::string& text);

/// A table of text. Columns are as wide as their widest cell; the last one is not padded.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string heading;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  void print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Prints indented JSON to standard output. Invalid UTF-8 is shown with replacement characters.
void print_json(const nlohmann::json& json);

/// A progress bar on standard error, if that is a terminal. Redrawn at most ten times a second.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void update(std::uint64_t done, std::uint64_t total);

 private:
  std::string label_;
  bool shown_;
  double last_drawn_s_ = -1;
};

}  // namespace holdfast::cli
