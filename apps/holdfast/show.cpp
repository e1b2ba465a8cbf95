#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "commands.hpp"
#include "inspect/inspect.hpp"
#include "locate.hpp"
#include "output.hpp"
#include "value_json.hpp"

namespace holdfast::cli {
namespace {

using plan::DatasetKind;
using storage::CheckpointReader;

struct Options {
  std::string checkpoint;
  bool json = false;
};

/// "i64", "string".
std::string type_of(const plan::Dataset& dataset) {
  const bool text = dataset.kind == DatasetKind::string || dataset.kind == DatasetKind::per_rank_string;
  return std::string(text ? "string" : to_string(dataset.dtype));
}

/// Indices of the datasets, by name. The file has them in the order in which they were planned.
std::vector<std::uint32_t> by_name(const CheckpointReader& file) {
  std::vector<std::uint32_t> order(file.datasets().size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::uint32_t i) -> const std::string& { return file.datasets()[i].name; });
  return order;
}

std::uint64_t bytes_of(const plan::Dataset& dataset) {
  return volume(dataset.global) * size_of(dataset.dtype);
}

void print_header(const CheckpointInfo& info) {
  fmt::print("{}\n", toned(Tone::heading, info.path.string()));
  fmt::print("step {}, {} bytes ({}), saved by {} {} at {} with holdfast {}\n", info.step, info.file_bytes,
             human_bytes(info.file_bytes), info.world_size, info.world_size == 1 ? "rank" : "ranks", info.created,
             info.library_version);
}

void print(const CheckpointReader& file) {
  Table tensors({{"TENSOR"}, {"DTYPE"}, {"SHAPE"}, {"SIZE", Table::Align::right}});
  Table values({{"VALUE"}, {"TYPE"}, {"CONTENT"}});
  for (const std::uint32_t i : by_name(file)) {
    const plan::Dataset& dataset = file.datasets()[i];
    if (dataset.kind == DatasetKind::tensor)
      tensors.add({dataset.name, type_of(dataset), to_string(dataset.global), human_bytes(bytes_of(dataset))});
    else
      values.add({dataset.name, type_of(dataset) + (plan::is_per_rank_kind(dataset.kind) ? " per rank" : ""),
                  inspect::value_text(file, i)});
  }
  print_header(file.info());
  for (const Table* table : {&tensors, &values}) {
    if (table->empty()) continue;
    fmt::print("\n");
    table->print();
  }
}

void print_as_json(const CheckpointReader& file) {
  const CheckpointInfo& info = file.info();
  nlohmann::json tensors = nlohmann::json::array(), values = nlohmann::json::array();
  for (const std::uint32_t i : by_name(file)) {
    const plan::Dataset& dataset = file.datasets()[i];
    nlohmann::json entry{
        {"name", dataset.name}, {"type", type_of(dataset)}, {"shape", dataset.global}, {"bytes", bytes_of(dataset)}};
    if (dataset.kind == DatasetKind::tensor) {
      tensors.push_back(std::move(entry));
    } else {
      entry["per_rank"] = plan::is_per_rank_kind(dataset.kind);
      entry["value"] = value_json(file, i);
      values.push_back(std::move(entry));
    }
  }
  print_json(nlohmann::json{{"path", info.path.string()},
                            {"step", info.step},
                            {"bytes", info.file_bytes},
                            {"ranks", info.world_size},
                            {"created", info.created},
                            {"library_version", info.library_version},
                            {"tensors", std::move(tensors)},
                            {"values", std::move(values)}});
}

int show(const Options& options) {
  const CheckpointReader file(locate(options.checkpoint));
  if (options.json)
    print_as_json(file);
  else
    print(file);
  return 0;
}

}  // namespace

void add_show(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("show", "Show the tensors and values of a checkpoint");
  command
      ->add_option("FILE", options->checkpoint, "A checkpoint file, DIR/STEP, or a directory for its newest checkpoint")
      ->required();
  command->add_flag("--json", options->json, "Write JSON");
  command->callback([options, &status] { status = show(*options); });
}

}  // namespace holdfast::cli
