#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <holdfast/error.hpp>
#include <span>
#include <vector>

#include "base/codec.hpp"

namespace holdfast {

/// Bytes on their way from one rank to another: to whom, or, once they have arrived, from whom.
struct Parcel {
  int rank = -1;
  Bytes bytes;

  bool operator==(const Parcel&) const = default;
};

/// A parcel in a bag with others, which goes by way of other ranks and so has both its ends.
struct Routed {
  std::int32_t from = -1, to = -1;
  std::span<const std::byte> bytes;  ///< in the bag

  using Label = std::array<std::uint64_t, 2>;
  [[nodiscard]] std::size_t bytes_in_bag() const noexcept { return sizeof(Label) + bytes.size(); }
};

inline void put(Bytes& bag, const Routed& parcel) {
  const Routed::Label label = {
      std::uint64_t{static_cast<std::uint32_t>(parcel.from)} << 32 | static_cast<std::uint32_t>(parcel.to), parcel.bytes.size()};
  const auto raw = std::as_bytes(std::span(label));
  bag.insert(bag.end(), raw.begin(), raw.end());
  bag.insert(bag.end(), parcel.bytes.begin(), parcel.bytes.end());
}

/// Calls function(parcel) for each parcel in the bag. Throws Error(communication) for what is no bag.
template <class Function>
void for_each_parcel(std::span<const std::byte> bag, Function&& function) {
  while (!bag.empty()) {
    Routed::Label label{};
    if (bag.size() >= sizeof label) std::memcpy(label.data(), bag.data(), sizeof label);
    if (bag.size() < sizeof label || bag.size() - sizeof label < label[1])
      throw Error(ErrorCode::communication, "ranks sent each other parcels that are cut off");
    function(Routed{static_cast<std::int32_t>(label[0] >> 32), static_cast<std::int32_t>(label[0]),
                    bag.subspan(sizeof label, label[1])});
    bag = bag.subspan(sizeof label + label[1]);
  }
}

/// The same parcels in one bag for each of `places`; `place_of` says it of a receiver's rank.
template <class PlaceOf>
std::vector<Bytes> sorted(const std::vector<Bytes>& bags, int places, PlaceOf&& place_of) {
  std::vector<Bytes> out(static_cast<std::size_t>(places));
  const auto bag_of = [&](const Routed& parcel) { return static_cast<std::size_t>(place_of(parcel.to)); };
  std::vector<std::size_t> sizes(out.size());
  for (const Bytes& bag : bags)
    for_each_parcel(bag, [&](const Routed& parcel) { sizes[bag_of(parcel)] += parcel.bytes_in_bag(); });
  for (std::size_t place = 0; place < out.size(); ++place) out[place].reserve(sizes[place]);
  for (const Bytes& bag : bags) for_each_parcel(bag, [&](const Routed& parcel) { put(out[bag_of(parcel)], parcel); });
  return out;
}

}  // namespace holdfast
