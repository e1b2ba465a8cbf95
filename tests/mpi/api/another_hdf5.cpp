// A program that is linked with another HDF5, which takes over the calls of ours (another_hdf5.c): Checkpointers, on
// helper ranks of this program or not, and functions say which two there are. The exit status is 0 if they do so on all
// ranks.
#include <cstdio>
#include <fstream>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <string>

using namespace holdfast;

extern "C" int H5get_libversion(unsigned*, unsigned*, unsigned*);

namespace {

/// 0 for a text that names both libraries.
int missing_from(const std::string& text) {
  int missing = 0;
  for (const char* word : {"9.8.7", "libanother_hdf5", "was built for HDF5", "libhdf5"})
    if (text.find(word) == text.npos) ++missing;
  if (missing != 0) std::fprintf(stderr, "not said: %s\n", text.c_str());
  return missing;
}

int refusal_lacks(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return missing_from(error.what()) + (error.code() == ErrorCode::invalid_state ? 0 : 1);
  }
  return missing_from("no error");
}

int run(MPI_Comm comm, const std::string& directory) {
  int missing = refusal_lacks([&] { Checkpointer(comm, {.directory = directory}); });
  missing += refusal_lacks([&] { Checkpointer(comm, {.directory = directory, .read_only = true}); });
  int rank = -1;
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) {
    std::ofstream(directory + "/step-000000000001.h5") << "what is in here is not what is wrong";
    for (const CheckpointInfo& info : list_checkpoints(directory)) missing += missing_from(info.problem);
  }
  unsigned major = 0, minor = 0, release = 0;
  return missing + (H5get_libversion(&major, &minor, &release) == 0 && major == 9 ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const MPI_Comm comm = reserve_helper_ranks(MPI_COMM_WORLD);
  const int missing = comm == MPI_COMM_NULL ? 0 : run(comm, argv[argc - 1]);
  MPI_Finalize();
  return missing;
}
