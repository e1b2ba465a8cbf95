#pragma once

#include <list>
#include <vector>

#include "stage/cuda_stager.hpp"
#include "stager_conformance.hpp"
#include "support/gpu.hpp"

namespace holdfast::stage {

/// A CudaStager on one kind of memory of one device, or on none. Its arenas are pinned by prepare().
class CudaLab final : public Lab {
 public:
  explicit CudaLab(test::GpuKind kind, int device = 0) : kind_(kind), device_(device) {}

  Stager& stager() override { return stager_; }
  std::byte* source(std::span<const std::byte> content) override {
    sources_.emplace_back(content.size(), kind_, device_).write(content);
    return sources_.back().data();
  }
  [[nodiscard]] cuda::MemorySpace space() const override { return cuda::memory_space_of(sources_.back().data()); }
  std::span<std::byte> arena(std::size_t bytes) override { return arenas_.emplace_back(bytes); }

 private:
  test::GpuKind kind_;
  int device_;
  std::list<test::GpuMemory> sources_;
  std::list<std::vector<std::byte>> arenas_;
  CudaStager stager_{2};
};

/// A stager that never pins an arena, so that all goes through its ring.
class Unprepared final : public Stager {
 public:
  std::shared_ptr<const void> prepare(std::span<const Copy> /*copies*/, std::span<std::byte> /*arena*/) override {
    return nullptr;
  }
  std::shared_ptr<PendingCopy> begin(std::vector<Copy> copies, cuda::Stream after) override {
    return stager_.begin(std::move(copies), after);
  }

 private:
  CudaStager stager_{2};
};

class BouncingLab final : public Lab {
 public:
  Stager& stager() override { return stager_; }
  std::byte* source(std::span<const std::byte> content) override { return lab_.source(content); }
  [[nodiscard]] cuda::MemorySpace space() const override { return lab_.space(); }
  std::span<std::byte> arena(std::size_t bytes) override { return lab_.arena(bytes); }

 private:
  CudaLab lab_{test::GpuKind::device};
  Unprepared stager_;
};

/// A CudaStager where everything is in host memory.
class HostMemoryLab final : public Lab {
 public:
  Stager& stager() override { return stager_; }
  std::byte* source(std::span<const std::byte> content) override {
    return memory_.emplace_back(content.begin(), content.end()).data();
  }
  std::span<std::byte> arena(std::size_t bytes) override { return memory_.emplace_back(bytes); }

 private:
  std::list<std::vector<std::byte>> memory_;
  CudaStager stager_{2};
};

}  // namespace holdfast::stage
