#include "checkpoint.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <utility>

namespace train {

namespace {

holdfast::Shape to_shape(const std::vector<std::int64_t>& sizes) {
  return {sizes.begin(), sizes.end()};
}

/// Where this rank's rows are in the whole tensor.
holdfast::TensorView rows(const Parameter& parameter, const torch::Tensor& part, int rank) {
  const auto global = to_shape(parameter.global);
  auto offset = holdfast::Shape(global.size(), 0);
  offset.front() = static_cast<std::uint64_t>(parameter.split.begin(rank));
  return holdfast::shard(part.data_ptr(), holdfast::DType::f32,
                         {.global = global, .offset = offset, .extent = to_shape(part.sizes().vec())});
}

holdfast::StateDict describe(Trainer& trainer, int rank) {
  holdfast::StateDict state;
  for (const auto& parameter : trainer.model().parameters()) {
    state.add("model/" + parameter.name, rows(parameter, parameter.value, rank));
    state.add("optimizer/" + parameter.name + "/first_moment", rows(parameter, parameter.first_moment, rank));
    state.add("optimizer/" + parameter.name + "/second_moment", rows(parameter, parameter.second_moment, rank));
  }
  auto& progress = trainer.progress();
  state.add("epoch", progress.epoch);
  state.add("loss", progress.loss);
  state.add("seed", progress.seed);
  state.add("rng", progress.generator);
  state.add_per_rank("samples", progress.samples);
  return state;
}

std::vector<std::span<const std::byte>> memory_of(Trainer& trainer) {
  std::vector<std::span<const std::byte>> memory;
  for (const auto& parameter : trainer.model().parameters()) {
    for (const auto* tensor : {&parameter.value, &parameter.first_moment, &parameter.second_moment}) {
      memory.push_back(std::as_bytes(floats(*tensor)));
    }
  }
  return memory;
}

}  // namespace

Checkpoints::Checkpoints(const Group& group, const Options& options, Trainer& trainer)
    : group_(group),
      summary_(group, memory_of(trainer)),
      checkpointer_(
          group.comm(),
          {.directory = options.directory, .keep_last = options.keep, .preemption_signals = {SIGUSR1, SIGTERM}}),
      state_(describe(trainer, group.rank())),
      progress_(trainer.progress()) {
  checkpointer_.warm_up(state_);
}

void Checkpoints::save() {
  wait();
  memcpy_s_ = summary_.time_memcpy();
  const auto start = std::chrono::steady_clock::now();
  try {
    saving_ = checkpointer_.async_save(progress_.epoch, state_);
    const std::chrono::duration<double> blocked = std::chrono::steady_clock::now() - start;
    group_.say(fmt::format("saving: epoch {} is copied in {:.2f} ms, plain memcpy takes {:.2f} ms; training goes on",
                           progress_.epoch, blocked.count() * 1e3, memcpy_s_ * 1e3));
    newest_ = progress_.epoch;
    told_ = false;
  } catch (const holdfast::Error& error) {
    last_saved_ = false;
    group_.say(fmt::format("save of epoch {} failed: {}", progress_.epoch, error.what()), screen::Tone::bad);
  }
}

void Checkpoints::wait() {
  if (!saving_.valid()) return;
  const auto save = std::exchange(saving_, {});
  try {
    summary_.add(save.wait(), memcpy_s_);
    tell_committed(save.step());
    last_saved_ = true;
  } catch (const holdfast::Error& error) {
    last_saved_ = false;
    group_.say(fmt::format("save of epoch {} failed: {}", save.step(), error.what()), screen::Tone::bad);
  }
}

void Checkpoints::look() {
  if (told_ || !saving_.valid() || !saving_.ready()) return;
  try {
    tell_committed(saving_.wait().step);
  } catch (const holdfast::Error&) {  // wait() says it, on all ranks
  }
}

void Checkpoints::tell_committed(std::int64_t epoch) {
  if (!std::exchange(told_, true)) group_.say(fmt::format("committed: epoch {}", epoch), screen::Tone::good);
}

holdfast::LoadReport Checkpoints::load() {
  auto report = checkpointer_.load(state_);
  newest_ = report.step;
  for (const auto& skipped : report.skipped) group_.say("passed over: " + skipped, screen::Tone::bad);
  return report;
}

bool Checkpoints::close() {
  wait();
  checkpointer_.close();
  return last_saved_;
}

}  // namespace train
