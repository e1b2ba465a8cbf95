#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "inspect/inspect.hpp"
#include "locate.hpp"
#include "output.hpp"
#include "tensor/box.hpp"
#include "value_json.hpp"

namespace holdfast::cli {
namespace {

struct Options {
  std::string checkpoint;
  bool json = false;
};

/// "i64", "string".
std::string type_of(const SavedEntry& entry) {
  return std::string(entry.kind == SavedKind::string ? "string" : to_string(entry.dtype));
}

std::uint64_t bytes_of(const SavedEntry& entry) {
  return volume(entry.shape) * size_of(entry.dtype);
}

void print_header(const CheckpointInfo& info) {
  fmt::print("{}\n", toned(Tone::heading, info.path.string()));
  fmt::print("step {}, {} bytes ({}), saved by {} {} at {} with holdfast {}\n", info.step, info.file_bytes,
             human_bytes(info.file_bytes), info.world_size, info.world_size == 1 ? "rank" : "ranks", info.created,
             info.library_version);
  for (const auto& [name, attribute] : info.attributes)
    fmt::print("{}: {}\n", name, std::visit([](const auto& value) { return fmt::format("{}", value); }, attribute));
}

void print(const CheckpointReader& file) {
  Table tensors({{"TENSOR"}, {"DTYPE"}, {"SHAPE"}, {"SIZE", Table::Align::right}});
  Table values({{"VALUE"}, {"TYPE"}, {"CONTENT"}});
  for (const SavedEntry& entry : file.entries()) {
    if (entry.kind == SavedKind::tensor)
      tensors.add({entry.name, type_of(entry), to_string(entry.shape), human_bytes(bytes_of(entry))});
    else
      values.add({entry.name, type_of(entry) + (entry.per_rank ? " per rank" : ""), inspect::value_text(file, entry)});
  }
  print_header(file.info());
  for (const Table* table : {&tensors, &values}) {
    if (table->empty()) continue;
    fmt::print("\n");
    table->print();
  }
}

nlohmann::json attributes_json(const Attributes& attributes) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, attribute] : attributes)
    std::visit([&, &key = name](const auto& value) { object[key] = value; }, attribute);
  return object;
}

void print_as_json(const CheckpointReader& file) {
  const CheckpointInfo& info = file.info();
  nlohmann::json tensors = nlohmann::json::array(), values = nlohmann::json::array();
  for (const SavedEntry& entry : file.entries()) {
    nlohmann::json object{
        {"name", entry.name}, {"type", type_of(entry)}, {"shape", entry.shape}, {"bytes", bytes_of(entry)}};
    if (entry.kind == SavedKind::tensor) {
      tensors.push_back(std::move(object));
    } else {
      object["per_rank"] = entry.per_rank;
      object["value"] = value_json(file, entry);
      values.push_back(std::move(object));
    }
  }
  print_json(nlohmann::json{{"path", info.path.string()},
                            {"step", info.step},
                            {"bytes", info.file_bytes},
                            {"ranks", info.world_size},
                            {"created", info.created},
                            {"library_version", info.library_version},
                            {"attributes", attributes_json(info.attributes)},
                            {"tensors", std::move(tensors)},
                            {"values", std::move(values)}});
}

/// Reads the beginnings of values alone, which no checksum covers.
int show(const Options& options) {
  const CheckpointReader file(locate(options.checkpoint), {.verify = false});
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
