#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace holdfast::test {

/// As long as it lives, this process gets no more than so many bytes of addresses beyond those that it has.
class LimitedAddressSpace {
 public:
  explicit LimitedAddressSpace(std::uint64_t more_bytes) {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    const rlimit now{.rlim_cur = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + more_bytes,
                     .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_AS, &now);
  }
  ~LimitedAddressSpace() { setrlimit(RLIMIT_AS, &before_); }
  LimitedAddressSpace(const LimitedAddressSpace&) = delete;
  LimitedAddressSpace& operator=(const LimitedAddressSpace&) = delete;

 private:
  rlimit before_{};
};

}  // namespace holdfast::test
