#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "launch/launcher.hpp"
#include "save/helper_client.hpp"
#include "save/lost_saves.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::save {

/// Starts, replaces and ends the helpers of a run. Each rank talks to one of them.
class Helpers {
 public:
  /// Collective. Starts the helpers. Throws the same Error on all ranks. `comm` is borrowed.
  Helpers(const mpi::Communicator& comm, const Options& options);
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers() = default;

  /// This rank's connection to its helper; a new one after replace().
  [[nodiscard]] const std::shared_ptr<HelperClient>& client() const noexcept { return client_; }
  [[nodiscard]] int ranks_on_node() const noexcept { return ranks_on_node_; }
  /// Sequences in the directory when the helpers opened it: the largest that may be in use, and the head's; 0: none.
  [[nodiscard]] std::int64_t newest_sequence() const noexcept { return newest_sequence_; }
  [[nodiscard]] std::int64_t head_sequence() const noexcept { return head_sequence_; }

  /// Collective. Returns the error of the lowest rank that has lost its helper; at least one has. Throws it if helpers
  /// cannot be replaced, since the job ends with the old ones.
  [[nodiscard]] Error agree_on_loss() const;
  /// Collective, after agree_on_loss(). Starts new helpers, which use nothing of the old ones.
  void replace();

  // At the end, local, in this order:
  /// Tells the helper that no more saves come, and waits until it has finished. Does nothing if the helper is lost.
  void let_go(Deadline deadline);
  /// After let_go(), even one that failed. Kills a lost helper, which ends what staging waits for; if the job would end
  /// with the helper, kills it when the program ends.
  void end_if_lost();
  /// Closes the connection, when nothing of this rank uses arenas any more.
  void disconnect() { client_->disconnect(); }
  /// Waits until the helper's process has ended, after disconnect() on all ranks. Bounded. The next helpers start only
  /// then (docs/decisions/0002-spawn.md).
  void await_end() noexcept;

 private:
  void start();
  void say_hello(Deadline deadline, int helper_ranks);

  const mpi::Communicator& comm_;
  Options options_;
  std::unique_ptr<launch::HelperLauncher> launcher_;
  std::shared_ptr<HelperClient> client_;
  int ranks_on_node_ = 1;
  std::int64_t newest_sequence_ = 0, head_sequence_ = 0;
  bool was_let_go_ = false;
  bool is_left_behind_ = false;  ///< the lost helper ends with the program
};

}  // namespace holdfast::save
