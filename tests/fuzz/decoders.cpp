// Everything that is decoded from the wire or the file and is ours, with bytes of a fuzzer: the first one chooses what they are.
// Built with clang's libFuzzer by the script fuzz, and with any compiler to play the corpus back.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "fuzz/server_session.hpp"
#include "helper/layout.hpp"
#include "plan/plan.hpp"
#include "storage/tables.hpp"
#include "transport/introduction.hpp"
#include "transport/messages.hpp"

namespace {

using namespace holdfast;
using Input = std::span<const std::byte>;

/// What was decoded is encoded and decoded again: the bytes have to be the same the second time.
template <class T>
void decode_one(Input input) {
  const Bytes once = encode(decode<T>(input));
  if (encode(decode<T>(once)) != once) std::abort();
}

template <class... T>
void decode_any(Input input) {
  if (input.empty()) return;
  const auto chosen = static_cast<std::size_t>(input[0]) % sizeof...(T);
  std::size_t at = 0;
  (void)((at++ == chosen && (decode_one<T>(input.subspan(1)), true)) || ...);
}

void decode_message(Input input) {
  using namespace transport;
  decode_any<Introduction, Hello, Welcome, Refused, OpenArena, ArenaReady, Plan, Staged, Drained, Done, Bye, Closed,
             helper::RankLayout, std::vector<plan::Item>, std::vector<plan::Dataset>, std::vector<storage::ChunkRecord>>(input);
}

void check_introduction(Input input) {
  static_cast<void>(transport::read_introduction(Bytes(input.begin(), input.end()), {.pid = 1, .uid = geteuid()}));
}

void check_layout(Input input) {
  const auto layout = decode<helper::RankLayout>(input);
  helper::check(layout);
  helper::check_fits(layout, 1 << 20);
  for (const plan::Piece& piece : layout.pieces)
    if (piece.arena_offset + piece.bytes > 1 << 20) std::abort();
}

/// Three numbers of rows, the length of a name, then the tables' bytes as far as they go; the datasets have a shape of 4 x 6.
void parse_tables(Input input) {
  if (input.size() < 4) return;
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(input[i]) % 32; };
  storage::Tables tables{.sizes = {.datasets = number(0), .name_bytes = number(1) + 1, .chunks = number(2), .boxes = number(3)}};
  tables.datasets.resize(tables.sizes.datasets * tables.sizes.dataset_row_bytes());
  tables.chunks.resize(tables.sizes.chunks);
  tables.boxes.resize(tables.sizes.boxes);
  Input rest = input.subspan(4);
  const auto fill = [&](void* data, std::size_t bytes) {
    const std::size_t taken = std::min(bytes, rest.size());
    if (taken > 0) std::memcpy(data, rest.data(), taken);
    rest = rest.subspan(taken);
  };
  fill(tables.datasets.data(), tables.datasets.size());
  fill(tables.chunks.data(), tables.chunks.size() * sizeof(storage::ChunkRow));
  fill(tables.boxes.data(), tables.boxes.size() * sizeof(std::uint64_t));
  auto datasets = storage::parse_datasets(tables);
  for (plan::Dataset& dataset : datasets) dataset.global = {4, 6};
  for (const storage::ChunkRecord& chunk : storage::parse_chunks(tables, datasets))
    if (!inside(chunk.box, datasets.at(chunk.dataset).global)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Input input = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    switch (data[0] % 5) {
      case 0:
        decode_message(input);
        break;
      case 1:
        check_introduction(input);
        break;
      case 2:
        check_layout(input);
        break;
      case 3:
        parse_tables(input);
        break;
      default:
        fuzz::serve(input);
    }
  } catch (const Error&) {  // what is bad is refused
  }
  return 0;
}
