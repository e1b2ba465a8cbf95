// The helper process. The library starts it; nobody needs to call it by hand.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "helper/helper.hpp"
#include "launch/launcher.hpp"

int main(int argc, char** argv) {
  CLI::App app("The process of Holdfast that writes checkpoints beside an MPI program. The library starts it.",
               "holdfast-helper");
  bool probe = false;
  holdfast::helper::ServeOptions service;
  app.add_flag("--probe", probe, "print version and protocol, and end");
  app.add_option("--nonce", service.nonce, "the run that this helper belongs to");
  app.add_option("--timeout", service.timeout_s, "seconds within which its ranks have to say hello");
  app.add_option("--helper-timeout", service.helper_timeout_s, "seconds of silence after which another helper is lost");
  app.add_flag("--leave-survivors{false}", service.end_survivors, "leave the other ranks alone when one has died");
  app.set_version_flag("--version", holdfast::launch::probe_answer());
  CLI11_PARSE(app, argc, argv);
  if (probe) {
    fmt::print("{}", holdfast::launch::probe_answer());
    return 0;
  }
  if (service.nonce.empty()) {
    fmt::print(stderr, "holdfast-helper is started by the Holdfast library; there is nothing to do by hand\n");
    return 2;
  }
  return holdfast::helper::run(service);
}
