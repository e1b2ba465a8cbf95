#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>

#include "wrap/mpi.hpp"

namespace holdfast::api {

/// What a rank brings into async_save.
struct Proposal {
  std::int64_t step = -1;
  std::int64_t settings = 0;  ///< SaveOptions as a number
  std::uint64_t values = 0;   ///< checksum of the values that must be the same on all ranks
  bool plan_known = false;    ///< its state has the layout of the cached plan
  bool arena_free = false;
  bool helper_up = false;
  std::optional<Error> error;  ///< why it cannot take part
};

/// What all ranks found together. A plan is known only if all ranks know it and their values agree.
struct Verdict {
  bool plan_known = false;
  bool arena_free = false;
  bool helper_up = false;
};

/// Collective: the one small allreduce of a save in steady state. Throws the same Error on all ranks if one brought an error, or
/// if step or settings differ.
[[nodiscard]] Verdict agree(const mpi::Communicator& comm, const Proposal& mine);

}  // namespace holdfast::api
