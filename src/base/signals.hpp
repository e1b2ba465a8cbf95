#pragma once

#include "base/unique_handle.hpp"

namespace holdfast {

/// Watches for one signal, in whichever thread of the process it arrives. Any number of watches may exist at once, also
/// for the same signal. Construction and destruction are thread-safe.
///
/// The first watch of a signal installs a handler. It counts the signal, then calls the handler that was installed
/// before, if that is a function; the default action is not taken. The end of the last watch restores the earlier
/// handler. If another handler was installed over ours meanwhile, both stay, and a later watch sees the signals that
/// the other one passes on.
class SignalWatch {
 public:
  /// Throws Error(invalid_argument) if `signal` is not the number of a signal, cannot be caught, or reports a fault
  /// such as SIGSEGV.
  explicit SignalWatch(int signal);

  /// Warns in the log, once, if another handler was installed over ours: it may not pass the signal on.
  void check() const;
  /// Whether the signal has arrived since this watch began.
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
