#pragma once

#include <optional>
#include <string>
#include <utility>

#include "launch/child.hpp"
#include "launch/launcher.hpp"
#include "wrap/mpi_notice.hpp"

namespace holdfast::launch {

/// A launcher whose rank 0 starts a process, which is the helper or starts the helpers. No rank waits for another: each
/// waits until its helper listens, and rank 0 tells the others if they wait in vain.
class ProcessLauncher : public HelperLauncher {
 public:
  void start(const mpi::Communicator& comm, const StartRequest& request) final;
  void finish_start() final;

 protected:
  /// `what` names the process in errors.
  explicit ProcessLauncher(std::string what) : what_(std::move(what)) {}

  /// Local, on rank 0. Starts the process.
  [[nodiscard]] virtual DetachedProcess begin(const StartRequest& request) = 0;
  /// The process, on rank 0 once it is started; null elsewhere.
  [[nodiscard]] DetachedProcess* process() noexcept { return process_ ? &*process_ : nullptr; }

 private:
  void wait_for_helper(const StartRequest& request);

  const std::string what_;
  std::optional<DetachedProcess> process_;
  std::optional<mpi::Notice> failed_;  ///< set while the helpers start
};

}  // namespace holdfast::launch
