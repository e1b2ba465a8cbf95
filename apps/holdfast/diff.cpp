#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "inspect/inspect.hpp"
#include "locate.hpp"
#include "output.hpp"

namespace holdfast::cli {
namespace {

using inspect::Difference;
using inspect::DiffReport;

struct Options {
  std::string first, second;
  bool json = false;
};

std::string kind_name(Difference::Aspect kind) {
  switch (kind) {
    case Difference::Aspect::only_in_first:
      return "only in first";
    case Difference::Aspect::only_in_second:
      return "only in second";
    case Difference::Aspect::type:
      return "type";
    case Difference::Aspect::shape:
      return "shape";
    case Difference::Aspect::content:
      return "content";
  }
  return "unknown";
}

nlohmann::json to_json(const Difference& difference) {
  nlohmann::json json{{"name", difference.name}, {"kind", kind_name(difference.kind)}, {"text", difference.text}};
  if (difference.kind != Difference::Aspect::content) return json;
  json["elements"] = difference.elements;
  json["largest"] = std::isfinite(difference.largest) ? nlohmann::json(difference.largest) : nlohmann::json("infinity");
  return json;
}

void print(const DiffReport& report) {
  if (report.differences.empty()) {
    fmt::print("{}: {} tensors and values, bit by bit\n", toned(Tone::good, "equal"), report.compared);
    return;
  }
  using Align = Table::Align;
  Table table({{"NAME"}, {"DIFFERS IN"}, {"ELEMENTS", Align::right}, {"LARGEST", Align::right}, {"FIRST / SECOND"}});
  for (const Difference& difference : report.differences) {
    const bool content = difference.kind == Difference::Aspect::content;
    table.add({difference.name, kind_name(difference.kind), content ? std::to_string(difference.elements) : "-",
               content ? fmt::format("{:.6g}", difference.largest) : "-", difference.text});
  }
  table.print();
  fmt::print("{}: {} differences, {} tensors and values are in both\n", toned(Tone::bad, "different"),
             report.differences.size(), report.compared);
}

int diff(const Options& options) {
  const auto first = locate(options.first), second = locate(options.second);
  const DiffReport report = inspect::diff(first, second);
  const bool equal = report.differences.empty();
  if (options.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const Difference& difference : report.differences) all.push_back(to_json(difference));
    print_json({{"first", first.string()},
                {"second", second.string()},
                {"equal", equal},
                {"compared", report.compared},
                {"differences", std::move(all)}});
  } else {
    print(report);
  }
  return equal ? 0 : 1;
}

}  // namespace

void add_diff(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("diff", "Compare two checkpoints bit by bit");
  command->add_option("FIRST", options->first, "A checkpoint file, DIR/STEP, or a directory for its newest checkpoint")
      ->required();
  command->add_option("SECOND", options->second, "The other one")->required();
  command->add_flag("--json", options->json, "Write JSON");
  command->footer(
      "Step and time are not compared, nor per-rank values where the numbers of ranks differ.\nExit status: 0 if "
      "equal, 1 if "
      "different.");
  command->callback([options, &status] { status = diff(*options); });
}

}  // namespace holdfast::cli
