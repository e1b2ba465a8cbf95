#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "stage/stager.hpp"

/// One suite for every stager and every kind of memory. A program links stager_conformance.cpp and says what it runs
/// on: INSTANTIATE_TEST_SUITE_P(…, StagerConformance, …).
namespace holdfast::stage {

/// A stager and the memory it is tried on. All memory lives as long as the lab.
class Lab {
 public:
  virtual ~Lab() = default;
  [[nodiscard]] virtual Stager& stager() = 0;
  /// Memory of the kind in question with this content.
  virtual std::byte* source(std::span<const std::byte> content) = 0;
  [[nodiscard]] virtual cuda::MemorySpace space() const { return {}; }
  /// Zeros.
  virtual std::span<std::byte> arena(std::size_t bytes) = 0;
};

struct LabKind {
  std::string name;
  std::function<std::unique_ptr<Lab>()> make;
  friend std::ostream& operator<<(std::ostream& out, const LabKind& kind) { return out << kind.name; }
};

class StagerConformance : public testing::TestWithParam<LabKind> {
 protected:
  std::unique_ptr<Lab> lab_ = GetParam().make();
};

[[nodiscard]] inline std::string name_of_lab(const testing::TestParamInfo<LabKind>& info) {
  return info.param.name;
}

}  // namespace holdfast::stage
