#include "trainer.hpp"

#include <fmt/format.h>

#include "kernels.hpp"

namespace train_gpu {
namespace {

constexpr std::int64_t global_batch = 256;  ///< samples of one epoch over all ranks
constexpr std::int64_t inputs = 8;

/// The ranks of a node take its devices in turn.
cudaStream_t make_stream(const train::Group& group) {
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(group.comm(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int rank = 0, devices = 0;
  MPI_Comm_rank(node, &rank);
  MPI_Comm_free(&node);
  check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
  check(cudaSetDevice(rank % devices), "cudaSetDevice");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return stream;
}

/// SplitMix64, a number in 0..1 at a time.
float draw(std::uint64_t& state) {
  std::uint64_t x = state += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return static_cast<float>((x ^ (x >> 31)) >> 40) / (1 << 24);
}

}  // namespace

Trainer::Trainer(const train::Group& group, const train::Options& options)
    : group_(group),
      seed_(options.seed),
      samples_{global_batch, group.size()},
      stream_(make_stream(group)),
      model_(std::make_unique<Model>(options.layer_widths(), samples_.count(group.rank()), stream_)) {
  start_over();
}

Trainer::~Trainer() {
  model_.reset();
  cudaStreamDestroy(stream_);
}

void Trainer::start_over() {
  model_->initialise(seed_);
  progress_ = {.seed = seed_, .random = seed_ + 1};
}

void Trainer::run_epoch(bool fault, const std::function<void()>& before_update) {
  // Every rank draws all samples and keeps its rows, so that other numbers of ranks see the same data.
  std::vector<float> all(global_batch * inputs), labels;
  std::uint64_t random = progress_.random;
  for (float& value : all) value = draw(random);
  const std::int64_t first = samples_.begin(group_.rank()), last = first + samples_.count(group_.rank());
  const std::vector<float> mine(all.begin() + first * inputs, all.begin() + last * inputs);
  for (auto sample = mine.begin(); sample != mine.end(); sample += inputs) {
    float sum = 0;
    for (std::int64_t i = 0; i < inputs; ++i) sum += sample[i];
    labels.push_back(sum >= 4 ? 1.0F : 0.0F);
  }
  progress_.loss = group_.sum(model_->forward_backward(mine, labels, 1.0F / global_batch)) / global_batch;
  before_update();
  std::vector<Parameter>& parameters = model_->parameters();
  for (std::size_t at = 0; at < parameters.size(); ++at) {
    if (fault && at == parameters.size() / 2)
      throw InjectedFault(
          fmt::format("an exception in epoch {}, with half of the parameters updated", progress_.epoch + 1));
    Parameter& parameter = parameters[at];
    add_up(parameter);
    adam(parameter.value.data(), parameter.first_moment.data(), parameter.second_moment.data(),
         parameter.gradient.data(), static_cast<std::int64_t>(parameter.value.size()), progress_.epoch + 1, stream_);
  }
  progress_.epoch += 1;
  progress_.random = random;
}

/// Adds the gradient over the ranks: each rank adds up a part, and all get all of it.
void Trainer::add_up(Parameter& parameter) {
  if (group_.size() == 1) return;
  std::vector<float> gradient = parameter.gradient.get(stream_);
  const train::RowSplit split{static_cast<std::int64_t>(gradient.size()), group_.size()};
  std::vector<float> part(static_cast<std::size_t>(split.count(group_.rank())));
  group_.reduce_scatter(split, gradient, part);
  group_.all_gather(split, part, gradient);
  parameter.gradient.put(gradient, stream_);
}

void Trainer::describe(holdfast::StateDict& state) {
  for (Parameter& parameter : model_->parameters()) {
    const auto add = [&](const std::string& name, Floats& floats) {
      state.add(name, holdfast::replicated(static_cast<void*>(floats.data()), holdfast::DType::f32, parameter.shape));
    };
    add("model/" + parameter.name, parameter.value);
    add("optimizer/" + parameter.name + "/first_moment", parameter.first_moment);
    add("optimizer/" + parameter.name + "/second_moment", parameter.second_moment);
  }
  state.add("epoch", progress_.epoch);
  state.add("loss", progress_.loss);
  state.add("seed", progress_.seed);
  state.add("random", progress_.random);
}

}  // namespace train_gpu
