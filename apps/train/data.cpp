#include "data.hpp"

#include <cstring>

namespace train {

at::Generator make_generator(std::uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

std::vector<std::byte> state_bytes(const at::Generator& generator) {
  const auto state = generator.get_state();
  std::vector<std::byte> bytes(state.nbytes());
  std::memcpy(bytes.data(), state.data_ptr(), bytes.size());
  return bytes;
}

void restore_state(at::Generator& generator, const std::vector<std::byte>& bytes) {
  auto state = torch::empty({static_cast<std::int64_t>(bytes.size())}, torch::kUInt8);
  std::memcpy(state.data_ptr(), bytes.data(), bytes.size());
  generator.set_state(state);
}

Batch next_batch(const Group& group, at::Generator& generator) {
  const RowSplit split{global_batch, group.size()};
  const auto all = torch::rand({global_batch, 8}, generator);
  const auto inputs = all.narrow(0, split.begin(group.rank()), split.count(group.rank()));
  return {inputs, inputs.sum(1, true).ge(4).to(torch::kFloat32)};
}

}  // namespace train
