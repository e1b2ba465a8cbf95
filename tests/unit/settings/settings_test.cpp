#include "settings/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "settings/fields.hpp"
#include "support/variable.hpp"

namespace holdfast::settings {
namespace {

using test::Variable;

struct Change {
  const char* name;
  std::function<void(Options&)> make;
  const char* value;
};

/// Each member changes its own setting, and no other.
TEST(Settings, AreThoseOfOptions) {
  const std::vector<Change> changes = {
      {"directory", [](Options& o) { o.directory = "/a b"; }, "\"/a b\""},
      {"keep_last", [](Options& o) { o.keep_last = 7; }, "7"},
      {"keep_every", [](Options& o) { o.keep_every = 1000; }, "1000"},
      {"recycle_files", [](Options& o) { o.recycle_files = false; }, "false"},
      {"file_mode", [](Options& o) { o.file_mode = 0640; }, "0640"},
      {"read_only", [](Options& o) { o.read_only = true; }, "true"},
      {"memory_limit_bytes", [](Options& o) { o.memory_limit_bytes = 1 << 20; }, "1048576"},
      {"stage_threads", [](Options& o) { o.stage_threads = 3; }, "3"},
      {"engine", [](Options& o) { o.engine = Engine::direct; }, "direct"},
      {"mpi_io_component", [](Options& o) { o.mpi_io_component = "ompio"; }, "\"ompio\""},
      {"mpi_io_hints",
       [](Options& o) {
         o.mpi_io_hints = {{"a", "b"}};
       },
       "[(\"a\", \"b\")]"},
      {"alignment_bytes", [](Options& o) { o.alignment_bytes = 4096; }, "4096"},
      {"write_limit_bytes_per_s", [](Options& o) { o.write_limit_bytes_per_s = 5; }, "5"},
      {"check_replicas", [](Options& o) { o.check_replicas = true; }, "true"},
      {"after_commit",
       [](Options& o) {
         o.after_commit = {"/bin/archive", "a b"};
       },
       "[\"/bin/archive\", \"a b\"]"},
      {"after_commit_timeout_s", [](Options& o) { o.after_commit_timeout_s = 60; }, "60"},
      {"launcher", [](Options& o) { o.launcher = Launcher::slurm_step; }, "slurm_step"},
      {"transport", [](Options& o) { o.transport = Transport::put; }, "put"},
      {"helper_program", [](Options& o) { o.helper_program = "h"; }, "\"h\""},
      {"ranks_per_helper", [](Options& o) { o.ranks_per_helper = 2; }, "2"},
      {"helper_cores", [](Options& o) { o.helper_cores = "0-3"; }, "\"0-3\""},
      {"end_survivors", [](Options& o) { o.end_survivors = false; }, "false"},
      {"preemption_signals",
       [](Options& o) {
         o.preemption_signals = {10, 15};
       },
       "[10, 15]"},
      {"launch_timeout_s", [](Options& o) { o.launch_timeout_s = 0.1; }, "0.1"},
      {"helper_timeout_s", [](Options& o) { o.helper_timeout_s = 1.5; }, "1.5"},
      {"save_timeout_s", [](Options& o) { o.save_timeout_s = 2; }, "2"},
      {"close_timeout_s", [](Options& o) { o.close_timeout_s = 3; }, "3"},
  };
  const std::vector<Setting> defaults = settings_of({});
  ASSERT_EQ(changes.size(), defaults.size());
  for (std::size_t changed = 0; changed < changes.size(); ++changed) {
    Options options;
    changes[changed].make(options);
    const std::vector<Setting> settings = settings_of(options);
    for (std::size_t i = 0; i < settings.size(); ++i) {
      EXPECT_EQ(settings[i].name, changes[i].name);
      EXPECT_EQ(settings[i].value, i == changed ? changes[i].value : defaults[i].value) << settings[i].name;
    }
  }
}

/// What a rank says of its options is what its helper hears.
std::vector<std::string> names_of(const auto& options) {
  std::vector<std::string> names;
  for_each_field(options,
                 [&](const Field& field, const auto&, const auto& /*limit*/) { names.emplace_back(field.name); });
  return names;
}

TEST(Settings, AreThoseOfSaveOptionsAndLoadOptions) {
  EXPECT_EQ(names_of(SaveOptions{}),
            (std::vector<std::string>{"when_busy", "overwrite", "attributes", "overlap_staging"}));
  EXPECT_EQ(names_of(LoadOptions{}),
            (std::vector<std::string>{"step", "file", "saves_go_on_from", "strict", "convert", "verify", "verify_first",
                                      "filter_plugins", "exact_per_rank"}));
  EXPECT_NE(fingerprint(SaveOptions{.when_busy = WhenBusy::skip}), fingerprint(SaveOptions{}));
  EXPECT_NE(fingerprint(SaveOptions{.when_busy = WhenBusy::skip}), fingerprint(SaveOptions{.overlap_staging = true}));
}

TEST(Settings, TravelToHelpers) {
  const Options sent{.directory = "/a b",
                     .file_mode = 0640,
                     .mpi_io_hints = {{"key", "value"}, {"other", ""}},
                     .launcher = Launcher::slurm_step,
                     .helper_cores = "0,2-3",
                     .preemption_signals = {10, 15},
                     .launch_timeout_s = 0.1};
  const Options heard = decode(encode(sent));
  EXPECT_EQ(encode(heard), encode(sent));
  EXPECT_EQ(heard.mpi_io_hints, sent.mpi_io_hints);
  EXPECT_EQ(heard.preemption_signals, sent.preemption_signals);
  Bytes longer = encode(sent);
  longer.push_back({});
  EXPECT_THROW(static_cast<void>(decode(longer)), Error);
  EXPECT_THROW(static_cast<void>(decode(std::span(longer).first(8))), Error);
}

TEST(Settings, AreTakenFromTheEnvironmentWhereTheProgramLeavesThemOpen) {
  const Variable transport("HOLDFAST_TRANSPORT", "put"), engine("HOLDFAST_ENGINE", "mpi_io"),
      launcher("HOLDFAST_LAUNCHER", "spawn");
  const Variable component("HOLDFAST_MPI_IO", "ompio"), check("HOLDFAST_CHECK_REPLICAS", "1");
  const Variable hints("HOLDFAST_MPI_IO_HINTS", "a=1;b=2");
  const Options open = with_environment({});
  EXPECT_EQ(open.transport, Transport::put);
  EXPECT_EQ(open.engine, Engine::mpi_io);
  EXPECT_EQ(open.launcher, Launcher::spawn);
  EXPECT_EQ(open.mpi_io_component, "ompio");
  EXPECT_TRUE(open.check_replicas);
  EXPECT_EQ(open.mpi_io_hints, (Hints{{"a", "1"}, {"b", "2"}}));
  const Options set = with_environment({.engine = Engine::direct,
                                        .mpi_io_component = "romio321",
                                        .mpi_io_hints = {{"b", "3"}},
                                        .launcher = Launcher::slurm_step,
                                        .transport = Transport::mapped});
  EXPECT_EQ(set.transport, Transport::mapped);
  EXPECT_EQ(set.engine, Engine::direct);
  EXPECT_EQ(set.launcher, Launcher::slurm_step);
  EXPECT_EQ(set.mpi_io_component, "romio321");
  EXPECT_EQ(set.mpi_io_hints, (Hints{{"b", "3"}, {"a", "1"}}));
}

std::string refusal(const char* name, const char* value) {
  const Variable variable(name, value);
  try {
    static_cast<void>(with_environment({}));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "nothing";
}

TEST(Settings, OfTheEnvironmentMakeSenseOrAreRefused) {
  EXPECT_EQ(refusal("HOLDFAST_TRANSPORT", "pigeon"),
            "HOLDFAST_TRANSPORT is \"pigeon\"; it can be automatic, mapped or put");
  EXPECT_EQ(refusal("HOLDFAST_CHECK_REPLICAS", "yes"), "HOLDFAST_CHECK_REPLICAS is \"yes\"; it can be 1 or 0");
  EXPECT_EQ(refusal("HOLDFAST_MPI_IO_HINTS", "a=1;b"),
            "HOLDFAST_MPI_IO_HINTS is \"a=1;b\"; it has \"b\" where key=value should be");
  EXPECT_EQ(refusal("HOLDFAST_AFTER_COMMIT", "[1]"),
            "HOLDFAST_AFTER_COMMIT is \"[1]\"; it can be a program, or a JSON array of strings");
  EXPECT_EQ(refusal("HOLDFAST_ENGINE", ""), "nothing");
  EXPECT_EQ(refusal("HOLDFAST_ENGINE", "automatic"), "nothing");
}

template <class T>
T read(const std::string& text) {
  T value{};
  EXPECT_EQ(parse(text, value), "") << text;
  return value;
}

TEST(Settings, AreReadFromText) {
  EXPECT_EQ(read<int>("-7"), -7);
  EXPECT_EQ(read<std::uint64_t>("18446744073709551615"), ~std::uint64_t{0});
  EXPECT_EQ(read<double>("0.25"), 0.25);
  EXPECT_TRUE(read<bool>("true"));
  EXPECT_EQ(read<std::vector<int>>("10,15"), (std::vector{10, 15}));
  EXPECT_EQ(read<std::filesystem::path>("/a b"), "/a b");
  EXPECT_EQ(read<std::vector<std::string>>("/bin/my program"), (std::vector<std::string>{"/bin/my program"}));
  EXPECT_EQ(read<std::vector<std::string>>(R"(["a", "b c"])"), (std::vector<std::string>{"a", "b c"}));
  int number = 3;
  for (const char* text : {"", "x", "1x", "99999999999"}) EXPECT_NE(parse(text, number), "") << text;
  EXPECT_EQ(number, 3);
}

/// A sentence does not end where a text has a null character.
TEST(Settings, ArePrintable) {
  EXPECT_EQ(in_words(std::string("a\0b\n", 4)), "\"a\\x00b\\x0a\"");
  EXPECT_NE(text_without_null(std::string("a\0b", 3)), "");
}

TEST(Settings, ACommandLineBeginsWithAProgram) {
  EXPECT_EQ(command_line({}), "");
  EXPECT_EQ(command_line({"a", ""}), "");
  EXPECT_NE(command_line({""}), "");
  EXPECT_NE(command_line({"a", std::string("b\0", 2)}), "");
}

TEST(Settings, FileModesAreThoseThatARunCanWorkWith) {
  for (const std::uint32_t bits : {0600U, 0664U}) EXPECT_EQ(file_mode(bits), "");
  for (const std::uint32_t bits : {0400U, 0700U, 04600U}) EXPECT_NE(file_mode(bits), "");
}

// --- docs/environment.md

std::string row(const Field& field, const std::string& value) {
  const std::string variable = field.environment != nullptr ? std::string("`") + field.environment + "`" : "";
  return std::string("| `") + field.name + "` | `" + value + "` | " + variable + " | " + field.help + " |\n";
}

template <class T>
std::string table(const char* name) {
  std::string text = std::string("| ") + name + " | default | variable | what |\n| --- | --- | --- | --- |\n";
  const T options{};
  for_each_field(options, [&](const Field& field, const auto& value, const auto& /*limit*/) {
    text += row(field, field.is_octal ? "0600" : in_words(value));
  });
  return text;
}

/// The page has between its markers what this list of settings says.
TEST(Settings, AreDocumented) {
  std::ifstream file(ENVIRONMENT_PAGE);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "<!-- settings: begin -->\n", end = "<!-- settings: end -->";
  const std::size_t first = page.find(begin), last = page.find(end);
  ASSERT_TRUE(first != page.npos && last != page.npos) << ENVIRONMENT_PAGE;
  const std::string found = page.substr(first + begin.size(), last - first - begin.size());
  const std::string wanted = "\n" + table<Options>("Options") + "\n" + table<SaveOptions>("SaveOptions") + "\n" +
                             table<LoadOptions>("LoadOptions") + "\n";
  EXPECT_EQ(found, wanted);
}

TEST(Settings, AttributesComeBackFromTheirText) {
  const Attributes attributes = {{"run", "night \"7\""}, {"lr", 0.1}, {"commit", std::int64_t{-3}}, {"whole", 2.0}};
  EXPECT_EQ(parse_attributes(to_text(attributes) + "   "), attributes);
  EXPECT_EQ(to_text({}), "{}");
  EXPECT_TRUE(parse_attributes("").empty());
  EXPECT_TRUE(parse_attributes("[1]").empty());
  EXPECT_EQ(parse_attributes(R"({"a":1,"b":[2],"c":null,"d":true})"), (Attributes{{"a", std::int64_t{1}}}));
  EXPECT_NE(fingerprint(SaveOptions{.attributes = {{"lr", 0.1}}}),
            fingerprint(SaveOptions{.attributes = {{"lr", 0.2}}}));
}

TEST(Settings, AttributesThatDoNotFitAreRefused) {
  const auto refusal = [](const Attributes& attributes) {
    try {
      check(SaveOptions{.attributes = attributes});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.message();
    }
    return std::string("taken");
  };
  EXPECT_EQ(refusal({{"text", std::string(3989, 'x')}}), "taken");
  EXPECT_THAT(refusal({{"text", std::string(3990, 'x')}}),
              testing::HasSubstr("at most 4000 bytes as JSON, and these 4001"));
  EXPECT_THAT(refusal({{"text", "\xff"}}), testing::HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({{"\xff", 1.5}}), testing::HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({{"number", std::numeric_limits<double>::infinity()}}), testing::HasSubstr("finite"));
}

}  // namespace
}  // namespace holdfast::settings
