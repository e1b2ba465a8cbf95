#include "settings/text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace holdfast::settings {

std::string in_words(const std::string& text) {
  std::string printable = "\"";
  for (const char c : text) {
    if (const auto code = static_cast<unsigned char>(c); code < 0x20)
      printable += fmt::format("\\x{:02x}", code);
    else
      printable += c;
  }
  return printable + '"';
}

std::string parse(const std::string& text, std::vector<int>& value) {
  std::vector<int> numbers;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');)
    if (!parse(word, numbers.emplace_back()).empty()) return "it can be numbers with commas between them";
  value = std::move(numbers);
  return {};
}

std::string parse(const std::string& text, std::vector<std::string>& value) {
  value = {text};
  if (!text.starts_with('[')) return {};
  const auto words = nlohmann::json::parse(text, nullptr, false);
  const bool is_list =
      words.is_array() && std::ranges::all_of(words, [](const auto& word) { return word.is_string(); });
  if (!is_list) return "it can be a program, or a JSON array of strings";
  value = words.get<std::vector<std::string>>();
  return {};
}

std::string parse(const std::string& text, Hints& value) {
  Hints hints = value;
  std::istringstream stream(text);
  for (std::string entry; std::getline(stream, entry, ';');) {
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == entry.npos) return fmt::format("it has \"{}\" where key=value should be", entry);
    const std::string key = entry.substr(0, equals);
    if (std::ranges::find(hints, key, &Hints::value_type::first) == hints.end())
      hints.emplace_back(key, entry.substr(equals + 1));
  }
  value = std::move(hints);
  return {};
}

}  // namespace holdfast::settings
