// The helper process. The library starts it; nobody needs to call it by hand.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "helper/helper.hpp"
#include "launch/launcher.hpp"

int main(int argc, char** argv) {
  CLI::App app("The process of Holdfast that writes checkpoints beside an MPI program. The library starts it.",
               "holdfast-helper");
  bool probe = false;
  std::string nonce;
  int index = 0;
  app.add_flag("--probe", probe, "print version and protocol, and end");
  app.add_option("--nonce", nonce, "the run that this helper belongs to");
  app.add_option("--index", index, "its number among the run's helpers");
  app.set_version_flag("--version", holdfast::launch::probe_answer());
  CLI11_PARSE(app, argc, argv);
  if (probe) {
    fmt::print("{}", holdfast::launch::probe_answer());
    return 0;
  }
  if (nonce.empty()) {
    fmt::print(stderr, "holdfast-helper is started by the Holdfast library; there is nothing to do by hand\n");
    return 2;
  }
  return holdfast::helper::run(nonce, index);
}
