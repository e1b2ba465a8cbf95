#include "patches.hpp"

#include <algorithm>
#include <holdfast/checkpointer.hpp>

#include "field.hpp"

namespace stencil {
namespace {

/// Whether patch `id` exists at a step: each lives for a while of its own.
bool exists(std::int64_t id, std::int64_t step) {
  return (step + 7 * id) % (11 + id % 5) < 6;
}

constexpr std::int64_t most_patches = 40;

}  // namespace

Patches::Patches(MPI_Comm ranks) : ranks_(ranks) {
  MPI_Comm_rank(ranks, &rank_);
  MPI_Comm_size(ranks, &count_);
}

void Patches::step(std::int64_t step) {
  std::erase_if(patches_, [&](const Patch& patch) { return !exists(patch.id, step); });
  for (std::int64_t id = 0; id < most_patches; ++id)
    if (is_own(id) && exists(id, step) && std::ranges::find(patches_, id, &Patch::id) == patches_.end())
      patches_.push_back({.id = id});
  std::ranges::sort(patches_, {}, &Patch::id);
  for (Patch& patch : patches_)
    for (std::uint64_t i = 0; i < cells; ++i)
      patch.values[i] =
          0.9 * patch.values[i] + 0.001 * static_cast<double>((patch.id + 1) * step + static_cast<std::int64_t>(i));
}

std::uint64_t Patches::checksum() const {
  std::uint64_t sum = 0;
  for (const Patch& patch : patches_)
    for (std::uint64_t i = 0; i < cells; ++i)
      sum ^= mixed(patch.values[i], static_cast<std::uint64_t>(patch.id) * cells + i);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_BXOR, ranks_);
  return sum;
}

/// Each patch is a box of its own, where it lies: nothing is copied together.
void Patches::add_to(holdfast::StateDict& state) {
  list_.clear();
  for (const Patch& patch : patches_) list_.push_back(patch.id);
  const holdfast::Shard place = holdfast::shard_1d(ranks_, list_.size());
  state.add("patches/list", holdfast::shard(list_, place));
  for (std::size_t i = 0; i < patches_.size(); ++i)
    state.add("patches/cells", holdfast::shard(patches_[i].values, {.global = {place.global[0], cells},
                                                                    .offset = {place.offset[0] + i, 0},
                                                                    .extent = {1, cells}}));
}

void Patches::make_room(const holdfast::CheckpointReader& file, holdfast::StateDict& state) {
  const std::uint64_t all = file.at("patches/list").shape[0];
  list_.resize(all);
  file.read("patches/list", holdfast::replicated(list_, {all}));
  patches_.clear();
  for (const std::int64_t id : list_)
    if (is_own(id)) patches_.push_back({.id = id});
  std::ranges::sort(patches_, {}, &Patch::id);
  state.add("patches/list", holdfast::replicated(list_, {all}));
  for (Patch& patch : patches_) {
    const auto place = static_cast<std::uint64_t>(std::ranges::find(list_, patch.id) - list_.begin());
    state.add("patches/cells",
              holdfast::shard(patch.values, {.global = {all, cells}, .offset = {place, 0}, .extent = {1, cells}}));
  }
}

}  // namespace stencil
