#pragma once

#include <cstdint>

#include "wrap/mpi.hpp"

namespace holdfast::mpi {

/// A word that rank 0 of a communicator has for the others, who do something else until it comes. Collective are the constructor, where
/// rank 0 gives the word, and finish(); neither waits for anybody who is not there yet, but that finish() waits for rank 0's word.
/// One that is not finished is leaked, as some rank is dead then.
class Notice {
 public:
  /// `comm` is borrowed. `word` counts on rank 0.
  Notice(const Communicator& comm, bool word);
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;
  ~Notice();

  /// Local. Has the word come, and is it yes?
  [[nodiscard]] bool says_yes();
  void finish();

 private:
  struct State;
  State* state_;
};

}  // namespace holdfast::mpi
