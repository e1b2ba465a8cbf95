#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fake_cuda.h"
#include "memory.hpp"

/// A step of a stream returns whether it is done; if not it is tried again.
struct CUstream_st {
  CUcontext context = nullptr;
  std::deque<std::function<bool()>> work = {};
  bool held = false;
};
struct CUctx_st {
  int device = 0;
  CUstream_st legacy = {};
};
struct CUevent_st {
  std::shared_ptr<bool> done = std::make_shared<bool>(true);
};

namespace {

constexpr int devices = 2;

struct Failure {
  CUresult result;
  int after;
  int times;
};

struct State {
  std::recursive_mutex mutex;
  std::array<CUctx_st, devices> contexts;
  std::vector<CUstream> streams;  ///< oldest first; the legacy streams are the first
  fake_cuda::Memory memory;
  std::map<std::string, Failure> failures;
  std::map<std::string, int> calls;
  int events = 0;

  State() {
    for (int device = 0; device < devices; ++device) {
      contexts[device].device = device;
      contexts[device].legacy.context = &contexts[device];
      streams.push_back(&contexts[device].legacy);
    }
  }
};

State& state() {
  static State* const all = new State;  // outlives every destructor that may call in
  return *all;
}

thread_local std::vector<CUcontext> current;

/// cuda.h's macros add versions to names; tests leave them out.
std::string without_version(std::string name) {
  const std::size_t version = name.rfind("_v");
  return version == name.npos ? name : name.substr(0, version);
}

CUresult enter(const char* full_name) {
  const std::string function = without_version(full_name);
  ++state().calls[function];
  const auto failure = state().failures.find(function);
  if (failure == state().failures.end()) return CUDA_SUCCESS;
  auto& [result, after, times] = failure->second;
  if (after-- > 0 || times == 0) return CUDA_SUCCESS;
  if (times > 0) --times;
  return result;
}

#define ENTER(function)                      \
  const std::lock_guard lock(state().mutex); \
  if (const CUresult failure = enter(#function)) return failure
#define ENTER_CONTEXT(function) \
  ENTER(function);              \
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT

CUstream resolve(CUstream stream) {
  if (stream == nullptr || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) return &current.back()->legacy;
  return stream;
}

/// Does what can be done, the youngest stream first.
void progress() {
  bool moved = true;
  while (moved) {
    moved = false;
    for (auto stream = state().streams.rbegin(); stream != state().streams.rend(); ++stream) {
      auto& work = (*stream)->work;
      while (!(*stream)->held && !work.empty() && work.front()()) {
        work.pop_front();
        moved = true;
      }
    }
  }
}

/// Memory for a copy: what CUDA knows, or pageable memory of the host, which is counted.
std::byte* reach(CUdeviceptr address, std::size_t bytes) {
  void* const memory = reinterpret_cast<void*>(address);
  if (std::byte* const known = state().memory.reach(memory, bytes)) return known;
  if (state().memory.find(memory, 1) != nullptr) return nullptr;  // starts in an allocation, and leaves it
  ++state().calls["pageable"];
  return static_cast<std::byte*>(memory);
}

CUresult enqueue_rows(const CUDA_MEMCPY3D& copy, CUstream stream) {
  if (copy.srcMemoryType != CU_MEMORYTYPE_UNIFIED || copy.dstMemoryType != CU_MEMORYTYPE_UNIFIED)
    return CUDA_ERROR_INVALID_VALUE;
  if (copy.srcPitch < copy.WidthInBytes || copy.dstPitch < copy.WidthInBytes) return CUDA_ERROR_INVALID_VALUE;
  if (copy.Depth > 1 && (copy.srcHeight < copy.Height || copy.dstHeight < copy.Height)) return CUDA_ERROR_INVALID_VALUE;
  const auto reached = [&](std::size_t pitch, std::size_t height) {
    return ((copy.Depth - 1) * height + copy.Height - 1) * pitch + copy.WidthInBytes;
  };
  const std::byte* const from = reach(copy.srcDevice, reached(copy.srcPitch, copy.srcHeight));
  std::byte* const to = reach(copy.dstDevice, reached(copy.dstPitch, copy.dstHeight));
  if (from == nullptr || to == nullptr) return CUDA_ERROR_INVALID_VALUE;
  resolve(stream)->work.push_back([=] {
    for (std::size_t z = 0; z < copy.Depth; ++z)
      for (std::size_t y = 0; y < copy.Height; ++y)
        std::memcpy(to + (z * copy.dstHeight + y) * copy.dstPitch, from + (z * copy.srcHeight + y) * copy.srcPitch,
                    copy.WidthInBytes);
    return true;
  });
  return CUDA_SUCCESS;
}

CUresult enqueue_bytes(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  CUDA_MEMCPY3D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.srcDevice = from;
  copy.dstDevice = to;
  copy.srcPitch = copy.dstPitch = copy.WidthInBytes = bytes;
  copy.srcHeight = copy.dstHeight = copy.Height = copy.Depth = 1;
  return enqueue_rows(copy, stream);
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

void fake_cuda_reset() {
  const std::lock_guard lock(state().mutex);
  state().failures.clear();
  state().calls.clear();
}
void fake_cuda_fail(const char* function, CUresult result, int after, int times) {
  const std::lock_guard lock(state().mutex);
  state().failures.insert_or_assign(function, Failure{result, after, times});
}
int fake_cuda_calls(const char* function) {
  const std::lock_guard lock(state().mutex);
  return state().calls[function];
}
void fake_cuda_hold(CUstream stream, int held) {
  const std::lock_guard lock(state().mutex);
  stream->held = held != 0;
}
int fake_cuda_objects() {
  const std::lock_guard lock(state().mutex);
  return static_cast<int>(state().memory.count() + state().streams.size() - devices) + state().events;
}

CUresult cuInit(unsigned int) {
  ENTER(cuInit);
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                                : "CUDA_ERROR_SOMETHING";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "something went wrong";
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  ENTER(cuDeviceGetCount);
  *count = devices;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  ENTER(cuDeviceGet);
  *device = ordinal;
  return ordinal < devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult cuDeviceGetName(char* name, int bytes, CUdevice) {
  std::strncpy(name, "fake GPU", static_cast<std::size_t>(bytes));
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  ENTER(cuDevicePrimaryCtxRetain);
  *context = &state().contexts.at(static_cast<std::size_t>(device));
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) {
  return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent(CUcontext context) {
  ENTER(cuCtxPushCurrent);
  current.push_back(context);
  return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent(CUcontext* context) {
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *context = current.back();
  current.pop_back();
  return CUDA_SUCCESS;
}
CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return CUDA_SUCCESS;
}
CUresult cuCtxSynchronize() {
  ENTER_CONTEXT(cuCtxSynchronize);
  progress();
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttributes(unsigned int count, CUpointer_attribute* attributes, void** values,
                                CUdeviceptr address) {
  ENTER(cuPointerGetAttributes);
  const fake_cuda::Range* const range = state().memory.find(reinterpret_cast<void*>(address), 1);
  for (unsigned int i = 0; i < count; ++i) {
    if (attributes[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
      *static_cast<unsigned int*>(values[i]) = range != nullptr ? range->type : 0;
    else if (attributes[i] == CU_POINTER_ATTRIBUTE_IS_MANAGED)
      *static_cast<unsigned int*>(values[i]) = range != nullptr && range->managed;
    else if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
      *static_cast<int*>(values[i]) = range != nullptr ? range->device : -2;
    else if (attributes[i] == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR)
      *static_cast<CUdeviceptr*>(values[i]) = range != nullptr ? reinterpret_cast<CUdeviceptr>(range->begin) : 0;
    else if (attributes[i] == CU_POINTER_ATTRIBUTE_RANGE_SIZE)
      *static_cast<std::size_t*>(values[i]) = range != nullptr ? range->bytes : 0;
    else
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* event, unsigned int) {
  ENTER_CONTEXT(cuEventCreate);
  *event = new CUevent_st;
  ++state().events;
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy(CUevent event) {
  ENTER(cuEventDestroy);
  delete event;
  --state().events;
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER_CONTEXT(cuEventRecord);
  event->done = std::make_shared<bool>(false);
  resolve(stream)->work.push_back([done = event->done] { return *done = true; });
  return CUDA_SUCCESS;
}
CUresult cuEventQuery(CUevent event) {
  ENTER_CONTEXT(cuEventQuery);
  progress();
  return *event->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned int, int) {
  ENTER_CONTEXT(cuStreamCreateWithPriority);
  *stream = new CUstream_st{.context = current.back()};
  state().streams.push_back(*stream);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy(CUstream stream) {
  ENTER(cuStreamDestroy);
  progress();
  std::erase(state().streams, stream);
  delete stream;
  return CUDA_SUCCESS;
}
CUresult cuStreamGetCtx(CUstream stream, CUcontext* context) {
  ENTER_CONTEXT(cuStreamGetCtx);
  *context = resolve(stream)->context;
  return CUDA_SUCCESS;
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
  ENTER_CONTEXT(cuStreamWaitEvent);
  resolve(stream)->work.push_back([done = event->done] { return *done; });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  ENTER_CONTEXT(cuMemcpyAsync);
  return enqueue_bytes(to, from, bytes, stream);
}
CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D* copy, CUstream stream) {
  ENTER_CONTEXT(cuMemcpy3DAsync);
  return enqueue_rows(*copy, stream);
}
#if CUDA_VERSION >= 13000
CUresult cuMemcpyBatchAsync(CUdeviceptr* to, CUdeviceptr* from, std::size_t* bytes, std::size_t count,
                            CUmemcpyAttributes* attributes, std::size_t* first, std::size_t kinds, CUstream stream) {
  ENTER_CONTEXT(cuMemcpyBatchAsync);
  if (kinds != 1 || first[0] != 0 || attributes->srcAccessOrder != CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
      stream == nullptr)
    return CUDA_ERROR_INVALID_VALUE;
  for (std::size_t i = 0; i < count; ++i)
    if (const CUresult result = enqueue_bytes(to[i], from[i], bytes[i], stream)) return result;
  return CUDA_SUCCESS;
}
#endif

CUresult cuMemAlloc(CUdeviceptr* address, std::size_t bytes) {
  ENTER_CONTEXT(cuMemAlloc);
  *address = reinterpret_cast<CUdeviceptr>(
      state().memory.allocate(bytes, CU_MEMORYTYPE_DEVICE, false, current.back()->device));
  return CUDA_SUCCESS;
}
CUresult cuMemAllocManaged(CUdeviceptr* address, std::size_t bytes, unsigned int) {
  ENTER_CONTEXT(cuMemAllocManaged);
  *address =
      reinterpret_cast<CUdeviceptr>(state().memory.allocate(bytes, CU_MEMORYTYPE_DEVICE, true, current.back()->device));
  return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr address) {
  ENTER(cuMemFree);
  return state().memory.give_back(reinterpret_cast<void*>(address));
}
CUresult cuMemHostAlloc(void** memory, std::size_t bytes, unsigned int) {
  ENTER_CONTEXT(cuMemHostAlloc);
  *memory = state().memory.allocate(bytes, CU_MEMORYTYPE_HOST, false, current.back()->device);
  return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void* memory) {
  ENTER(cuMemFreeHost);
  progress();
  return state().memory.give_back(memory);
}
CUresult cuMemHostRegister(void* memory, std::size_t bytes, unsigned int) {
  ENTER_CONTEXT(cuMemHostRegister);
  return state().memory.add(static_cast<std::byte*>(memory), bytes, current.back()->device);
}
CUresult cuMemHostUnregister(void* memory) {
  ENTER_CONTEXT(cuMemHostUnregister);
  return state().memory.give_back(memory);
}
}
#pragma GCC visibility pop
