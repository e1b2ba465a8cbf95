#pragma once

#include "base/codec.hpp"

namespace holdfast {

/// Bytes on their way from one rank to another: to whom, or, once they have arrived, from whom.
struct Parcel {
  int rank = -1;
  Bytes bytes;

  bool operator==(const Parcel&) const = default;
};

}  // namespace holdfast
