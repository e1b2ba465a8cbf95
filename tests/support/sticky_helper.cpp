#include "support/sticky_helper.hpp"

#include <cstdlib>
#include <fstream>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {

/// The address sanitizer would want to be loaded first.
StickyHelper::StickyHelper(std::filesystem::path directory, const std::filesystem::path& library, MPI_Comm comm,
                           const std::string& first)
    : program_(directory / "sticky-helper"), flag_(directory / "stuck"), comm_(comm) {
  if (rank_in(comm) == 0) {
    std::ofstream(program_)
        << "#!/bin/sh\nflag=" << flag_ << "\nif [ \"$1\" != --probe ]; then " << first << "; fi\n"
        << "exec env ASAN_OPTIONS=\"$ASAN_OPTIONS:verify_asan_link_order=0\" STUCK_FSYNC=\"$flag\" LD_PRELOAD="
        << library << ' ' << std::getenv("HOLDFAST_HELPER") << " \"$@\"\n";
    std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
  }
  MPI_Barrier(comm);
}

void StickyHelper::stick() const {
  if (rank_in(comm_) == 0) std::ofstream{flag_};
  MPI_Barrier(comm_);
}

void StickyHelper::let_go() const {
  if (rank_in(comm_) == 0) std::filesystem::remove(flag_);
  MPI_Barrier(comm_);
}

}  // namespace holdfast::test
