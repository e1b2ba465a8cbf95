// What a profiler sees of a save: this program takes the place of the library that Nsight Systems puts into a process.
#define NVTX_NO_IMPL  // the types alone
#include <gmock/gmock.h>
#include <nvtx3/nvToolsExt.h>

#include <holdfast/checkpointer.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

std::mutex mutex;
std::vector<std::string> seen;
thread_local int depth = 0;

int NVTX_API push(const char* name) {
  const std::lock_guard lock(mutex);
  seen.emplace_back(name);
  return depth++;
}
int NVTX_API pop() {
  return --depth;
}

/// NVTX calls it at its first range.
int NVTX_API take_over(NvtxGetExportTableFunc_t get_table) {
  const auto* const callbacks = static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned int size = 0;
  if (callbacks == nullptr || callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size) == 0) return 0;
  *table[NVTX_CBID_CORE_RangePushA] = reinterpret_cast<NvtxFunctionPointer>(push);
  *table[NVTX_CBID_CORE_RangePop] = reinterpret_cast<NvtxFunctionPointer>(pop);
  return 1;
}

TEST(NvtxRanges, ShowEachPartOfASave) {
  const SharedDirectory directory;
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory.path() / "ckpt"});
  std::vector<float> weight(1000);
  StateDict state;
  state.add("weight", replicated(weight.data(), DType::f32, {weight.size()}));
  const SaveFuture saving = checkpointer.async_save(1, state, {.overlap_staging = true});
  saving.wait_staged();
  saving.wait();
  checkpointer.close();
  const std::lock_guard lock(mutex);
  EXPECT_THAT(seen, testing::IsSupersetOf({"holdfast: plan", "holdfast: stage", "holdfast: wait for staging",
                                           "holdfast: wait for the commit"}));
  EXPECT_EQ(depth, 0) << "a range was not closed";
}

}  // namespace
}  // namespace holdfast::test

extern "C" {
NvtxInitializeInjectionNvtxFunc_t InitializeInjectionNvtx2_fnptr = holdfast::test::take_over;
}
