#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <holdfast/error.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/// Binary encoding of messages. A struct is encoded and decoded by one function that lists its fields:
///
///     struct Drained {
///       std::uint64_t save = 0;
///       std::uint32_t wave = 0;
///       static void fields(auto& codec, auto& self) { codec(self.save, self.wave); }
///     };
///
/// Numbers are in memory order: sender and receiver run on machines of one job.
namespace holdfast {

static_assert(std::endian::native == std::endian::little, "messages and files are little-endian");

using Bytes = std::vector<std::byte>;

class Encoder {
 public:
  Encoder() = default;
  /// Appends to `bytes`.
  explicit Encoder(Bytes bytes) : bytes_(std::move(bytes)) {}

  template <class... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  void put_raw(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void put(const T& value) { put_raw(&value, sizeof value); }
  void put(const std::string& text) {
    put(std::uint64_t{text.size()});
    put_raw(text.data(), text.size());
  }
  void put(const std::filesystem::path& path) { put(path.string()); }
  template <class First, class Second>
  void put(const std::pair<First, Second>& pair) {
    put(pair.first);
    put(pair.second);
  }
  template <class T>
  void put(const std::vector<T>& items) {
    put(std::uint64_t{items.size()});
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
      put_raw(items.data(), items.size() * sizeof(T));
    else
      for (const T& item : items) put(item);
  }
  template <class T>
  requires requires(Encoder& codec, const T& value) { T::fields(codec, value); }
  void put(const T& value) { T::fields(*this, value); }

  Bytes bytes_;
};

/// Reads what Encoder wrote. Throws Error(communication) if the bytes end too soon.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  void get_raw(void* data, std::size_t size) {
    if (size > rest_.size()) throw Error(ErrorCode::communication, "a message ends before its last field");
    if (size != 0) std::memcpy(data, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  /// Reads the number of items. Each takes at least `item_bytes`, so a count that exceeds the remaining bytes is
  /// refused before anything is allocated.
  std::size_t get_count(std::size_t item_bytes = 1) {
    std::uint64_t count = 0;
    get(count);
    if (count > rest_.size() / item_bytes)
      throw Error(ErrorCode::communication, "a message announces more items than it carries");
    return count;
  }
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void get(T& value) { get_raw(&value, sizeof value); }
  /// A byte that is neither 0 nor 1 must not become a bool.
  void get(bool& value) {
    std::uint8_t byte = 0;
    get_raw(&byte, sizeof byte);
    value = byte != 0;
  }
  void get(std::string& text) {
    text.resize(get_count());
    get_raw(text.data(), text.size());
  }
  void get(std::filesystem::path& path) {
    std::string text;
    get(text);
    path = std::move(text);
  }
  template <class First, class Second>
  void get(std::pair<First, Second>& pair) {
    get(pair.first);
    get(pair.second);
  }
  template <class T>
  void get(std::vector<T>& items) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      items.resize(get_count(sizeof(T)));
      get_raw(items.data(), items.size() * sizeof(T));
    } else {  // no resize: an item in memory may be many times larger than the shortest encoded item
      items.clear();
      for (std::size_t left = get_count(); left > 0; --left) get(items.emplace_back());
    }
  }
  template <class T>
  requires requires(Decoder& codec, T& value) { T::fields(codec, value); }
  void get(T& value) { T::fields(*this, value); }

  std::span<const std::byte> rest_;
};

template <class T>
[[nodiscard]] Bytes encode(const T& value) {
  Encoder encoder;
  encoder(value);
  return encoder.take();
}

template <class T>
[[nodiscard]] T decode(std::span<const std::byte> bytes) {
  T value{};
  Decoder decoder(bytes);
  decoder(value);
  if (!decoder.at_end()) throw Error(ErrorCode::communication, "a message goes on after its last field");
  return value;
}

}  // namespace holdfast
