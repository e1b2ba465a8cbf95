#pragma once

#include <cstdint>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// Rank 0 of a communicator sends yes or no to the other ranks, which do other work until it arrives. The constructor
/// and finish() are collective. The constructor waits for nobody; finish() waits only for rank 0's word. A Notice that
/// is destroyed without finish() is leaked, because a rank has died.
class Notice {
 public:
  /// `comm` is borrowed. `word` is used on rank 0 only.
  Notice(const Communicator& comm, bool word);
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;
  ~Notice();

  /// Local. Whether the word has arrived and is yes. Does not wait.
  [[nodiscard]] bool says_yes();
  void finish();

 private:
  struct State;
  State* state_;
};

}  // namespace holdfast::mpi
