#pragma once

#include "base/unique_handle.hpp"

namespace holdfast {

/// Watches for one signal, in whichever thread of the process it arrives. Any number may watch at once, for the same signal
/// too. Beginning and ending a watch is thread-safe.
///
/// A signal's first watch installs a handler. It counts, and then calls the handler that was there before, if that was a
/// function (the default action is not taken). When the last watch ends, what was there before is put back. Only if
/// somebody has installed a handler over ours meanwhile, both stay as they are, and a later watch hears what theirs passes on.
class SignalWatch {
 public:
  /// Throws Error(invalid_argument) for a number that is no signal, and for signals that no program can catch and go on.
  explicit SignalWatch(int signal);

  /// Says in the log, once, that somebody has installed a handler over ours: it need not pass the signal on.
  void check() const;
  /// Has it arrived since this watch began?
  [[nodiscard]] bool seen() const noexcept;

 private:
  struct Traits {
    using type = int;
    static type none() noexcept { return 0; }
    static void release(type signal) noexcept;
  };
  UniqueHandle<Traits> signal_;
  unsigned arrivals_before_ = 0;
};

}  // namespace holdfast
