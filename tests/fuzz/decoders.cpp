// Everything that is decoded from the wire or the file and is ours, with bytes of a fuzzer: the first one chooses what
// they are. Built with clang's libFuzzer by the script fuzz, and with any compiler to play the corpus back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "fuzz/server_session.hpp"
#include "plan/plan.hpp"
#include "plan/rank_layout.hpp"
#include "settings/settings.hpp"
#include "storage/format/safetensors.hpp"
#include "storage/format/tables.hpp"
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
  decode_any<Introduction, Hello, Welcome, Refused, AskRoom, Room, OpenArena, ArenaReady, Plan, Staged, Drained, Done,
             Bye, Closed, plan::RankLayout, std::vector<plan::Item>, std::vector<plan::Dataset>>(input);
}

void check_introduction(Input input) {
  static_cast<void>(transport::read_introduction(Bytes(input.begin(), input.end()), {.pid = 1, .uid = geteuid()}));
}

void check_options(Input input) {
  const Bytes again = settings::encode(settings::decode(input));
  if (again.size() != input.size()) std::abort();
}

void check_layout(Input input) {
  const auto layout = decode<plan::RankLayout>(input);
  plan::check(layout);
  plan::check_fits(layout, 1 << 20);
  for (const plan::Piece& piece : layout.pieces)
    if (piece.arena_offset + piece.bytes > 1 << 20) std::abort();
}

/// Five numbers of rows and the length of a name, then the tables' bytes as far as they go. The checksums are never
/// right by chance, so what is behind them gets the bytes as well.
void parse_tables(Input input) {
  constexpr std::uint64_t file_bytes = 1 << 20;
  if (input.size() < 6) return;
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(input[i]) % 32; };
  storage::Index index{
      .sizes = {.datasets = number(0), .name_bytes = number(1) + 1, .chunks = number(3), .boxes = number(4)}};
  storage::Segment segment;
  index.definitions.rows.resize(index.sizes.datasets * index.sizes.dataset_row_bytes());
  index.definitions.shapes.resize(number(2));
  segment.chunks.resize(number(3));
  segment.boxes.resize(number(4));
  index.parts.resize(number(5));
  Input rest = input.subspan(6);
  const auto fill = [&](auto& table) {
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(table));
    const std::size_t taken = std::min(bytes.size(), rest.size());
    std::copy_n(rest.begin(), taken, bytes.begin());
    rest = rest.subspan(taken);
  };
  fill(index.definitions.rows);
  fill(index.definitions.shapes);
  fill(segment.chunks);
  fill(segment.boxes);
  fill(index.parts);
  try {
    check_index(index);
  } catch (const Error&) {
  }
  index.parts = make_parts(std::move(index.parts), index.definitions.checksum());
  try {
    check_index(index);
  } catch (const Error&) {
  }
  const auto [datasets, addresses] = storage::parse_datasets(index, file_bytes);
  for (std::size_t i = 0; i < datasets.size(); ++i)
    if (volume(datasets[i].global) > (addresses[i] == 0 ? 0 : file_bytes / size_of(datasets[i].dtype))) std::abort();
  std::vector<storage::ChunkRecord> chunks;
  storage::parse_segment(segment, {}, datasets, storage::Interests(datasets.size(), storage::Interest{}), chunks);
  for (const storage::ChunkRecord& chunk : chunks)
    if (!inside(chunk.box, datasets.at(chunk.dataset).global)) std::abort();
}

/// A header of safetensors, or an index of such files.
void parse_safetensors(Input input) {
  constexpr std::uint64_t file_bytes = 1 << 20;
  for (const auto& [dataset, begin] : storage::safetensors::parse_header(input, file_bytes))
    if (begin + volume(dataset.global) * size_of(dataset.dtype) > file_bytes) std::abort();
  for (const auto& [file, tensors] : storage::safetensors::parse_index(input))
    if (file.find('/') != file.npos || tensors.empty()) std::abort();
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
        if (data[0] < 128)
          check_layout(input);
        else
          check_options(input);
        break;
      case 3:
        if (data[0] < 128)
          parse_tables(input);
        else
          parse_safetensors(input);
        break;
      default:
        fuzz::serve(input);
    }
  } catch (const Error&) {  // what is bad is refused
  }
  return 0;
}
