#include "wrap/cuda.hpp"

#include <cuda.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <nvtx3/nvToolsExt.h>

#include <array>
#include <atomic>
#include <holdfast/error.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/error_text.hpp"
#include "base/log.hpp"

// cuda.h maps some functions by macros to names with a version, so names are turned into text after macro expansion.
#define HOLDFAST_TEXT(name) #name
#define HOLDFAST_SYMBOL(name) HOLDFAST_TEXT(name)
#define HOLDFAST_DRIVER_FUNCTIONS(each)                                                                            \
  each(cuInit) each(cuGetErrorName) each(cuGetErrorString) each(cuDeviceGetCount) each(cuDeviceGet)                \
      each(cuDeviceGetName) each(cuDevicePrimaryCtxRetain) each(cuDevicePrimaryCtxRelease) each(cuCtxPushCurrent)  \
          each(cuCtxPopCurrent) each(cuCtxGetStreamPriorityRange) each(cuPointerGetAttributes) each(cuEventCreate) \
              each(cuEventDestroy) each(cuEventRecord) each(cuEventQuery) each(cuStreamCreateWithPriority)         \
                  each(cuStreamDestroy) each(cuStreamGetCtx) each(cuStreamWaitEvent) each(cuMemcpyAsync)           \
                      each(cuMemcpy3DAsync) each(cuMemHostRegister) each(cuMemHostUnregister) each(cuMemHostAlloc) \
                          each(cuMemFreeHost)

namespace holdfast::cuda {
namespace {

constexpr auto pause_between_looks = std::chrono::microseconds(20);

/// The functions of the driver library.
struct Driver {
#define HOLDFAST_MEMBER(name) decltype(&::name) name = nullptr;
  HOLDFAST_DRIVER_FUNCTIONS(HOLDFAST_MEMBER)
#if CUDA_VERSION >= 13000
#define HOLDFAST_BATCHES
  decltype(&::cuMemcpyBatchAsync) cuMemcpyBatchAsync = nullptr;  ///< null in older drivers
#endif
};

template <class Function>
bool load(void* library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, symbol));
  return function != nullptr;
}

/// Fills `driver`. Returns why the loaded driver cannot be used; none if it can.
std::optional<std::string> start(void* library, Driver& driver) {
#define HOLDFAST_LOAD(name) \
  if (!load(library, HOLDFAST_SYMBOL(name), driver.name)) return "the driver has no " HOLDFAST_SYMBOL(name);
  HOLDFAST_DRIVER_FUNCTIONS(HOLDFAST_LOAD)
#ifdef HOLDFAST_BATCHES
  load(library, HOLDFAST_SYMBOL(cuMemcpyBatchAsync), driver.cuMemcpyBatchAsync);
#endif
  const char* reason = nullptr;
  int devices = 0;
  if (const CUresult result = driver.cuInit(0); result != CUDA_SUCCESS) {
    driver.cuGetErrorString(result, &reason);
    return reason != nullptr ? reason : "it cannot be started";
  }
  if (driver.cuDeviceGetCount(&devices) != CUDA_SUCCESS || devices == 0) return "it has no device";
  return std::nullopt;
}

/// How many libraries this process has loaded so far.
unsigned long long loaded_libraries() {
  unsigned long long count = 0;
  const auto take = [](dl_phdr_info* info, std::size_t, void* result) {
    *static_cast<unsigned long long*>(result) = info->dlpi_adds;
    return 1;  // the count is the same in each entry
  };
  dl_iterate_phdr(take, &count);
  return count;
}

/// The driver; null while none that works is loaded. Every save calls it, and dlopen searches directories for a library
/// that is not loaded, so dlopen is called again only after another library has been loaded.
const Driver* find_driver() {
  static std::atomic<const Driver*> found = nullptr;
  static std::mutex mutex;
  static bool given_up = false, said = false;
  static unsigned long long libraries = 0;
  if (const Driver* driver = found) return driver;
  const std::lock_guard lock(mutex);
  if (found != nullptr || given_up) return found;
  const unsigned long long loaded = loaded_libraries();
  if (std::exchange(libraries, loaded) == loaded) return nullptr;
  void* const library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) {
    if (!std::exchange(said, true)) log::info("this process has loaded no CUDA driver: all tensors are in host memory");
    return nullptr;
  }
  static Driver driver;
  if (const auto problem = start(library, driver)) {
    given_up = true;
    log::warning("a CUDA driver is loaded, but cannot be used ({}): all tensors are taken to be in host memory",
                 *problem);
    return nullptr;
  }
  return found = &driver;
}

/// The driver, for objects of a device, which exist only if it is loaded.
const Driver& driver() {
  if (const Driver* found = find_driver()) return *found;
  throw Error(ErrorCode::device, "there is no CUDA device", {.host = host_name()});
}

void check(CUresult result, const char* call, const std::string& device) {
  if (result == CUDA_SUCCESS) return;
  const char *name = nullptr, *text = nullptr;
  driver().cuGetErrorName(result, &name);
  driver().cuGetErrorString(result, &text);
  throw Error(result == CUDA_ERROR_OUT_OF_MEMORY ? ErrorCode::out_of_memory : ErrorCode::device,
              fmt::format("{}: {}: {} ({})", device, call, text != nullptr ? text : "unknown error",
                          name != nullptr ? name : std::to_string(result)),
              {.host = host_name()});
}

/// Makes a context current in this thread, and restores the earlier one at the end.
class Current {
 public:
  explicit Current(const Device& device) : Current(device.context(), device.name()) {}
  Current(CUcontext context, const std::string& name) {
    check(driver().cuCtxPushCurrent(context), "cuCtxPushCurrent", name);
  }
  ~Current() {
    CUcontext ours = nullptr;
    driver().cuCtxPopCurrent(&ours);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
};

/// Runs the release of a destructor and ignores failures: the driver may have been shut down before.
template <class Release>
void silently(const std::shared_ptr<const Device>& device, Release release) noexcept {
  try {
    const Current current(*device);
    release();
  } catch (const std::exception& error) {
    log::debug("releasing what CUDA holds: {}", error.what());
  }
}

bool is_default_stream(Stream stream) {
  return stream == nullptr || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD;
}

/// The context to be current for calls with `stream`: its own, or the device's for default streams.
CUcontext context_of(Stream stream, const Device& device) {
  if (is_default_stream(stream)) return device.context();
  const Current current(device);
  CUcontext context = nullptr;
  check(driver().cuStreamGetCtx(stream, &context), "cuStreamGetCtx of the stream that the program gave", device.name());
  return context;
}

CUdeviceptr address(const std::byte* memory) {
  return reinterpret_cast<CUdeviceptr>(memory);
}

/// A copy of a block row by row, from `from` to `to`, both addresses that devices can access.
CUDA_MEMCPY3D rows_between(const std::byte* from, const std::byte* to, const Block& block) {
  CUDA_MEMCPY3D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.srcDevice = address(from);
  copy.dstDevice = address(to);
  copy.srcPitch = copy.dstPitch = copy.WidthInBytes = block.bytes;
  copy.srcHeight = copy.dstHeight = copy.Height = block.rows;
  copy.Depth = block.layers;
  return copy;
}

}  // namespace

bool present() {
  return find_driver() != nullptr;
}
bool built() noexcept {
  return true;
}

Allocation allocation_of(const void* memory) {
  if (!present()) return {};
  unsigned int type = 0, managed = 0;
  int ordinal = -1;
  CUdeviceptr begin = 0;
  std::size_t bytes = 0;
  std::array attributes = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                           CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                           CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  std::array<void*, attributes.size()> values = {&type, &managed, &ordinal, &begin, &bytes};
  check(driver().cuPointerGetAttributes(attributes.size(), attributes.data(), values.data(),
                                        address(static_cast<const std::byte*>(memory))),
        "cuPointerGetAttributes", fmt::format("the memory at {}", memory));
  const auto known_as = [&](MemoryKind kind) {
    return Allocation{{kind, ordinal}, reinterpret_cast<const std::byte*>(begin), bytes};
  };
  if (managed != 0) return known_as(MemoryKind::managed);
  if (type == CU_MEMORYTYPE_DEVICE) return known_as(MemoryKind::device);
  if (type == CU_MEMORYTYPE_HOST) return known_as(MemoryKind::pinned);
  return {};
}

Device::Device(int number) : number_(number), name_(fmt::format("device {}", number)) {
  CUdevice device = 0;
  std::array<char, 256> text{};
  check(driver().cuDeviceGet(&device, number), "cuDeviceGet", name_);
  check(driver().cuDeviceGetName(text.data(), text.size() - 1, device), "cuDeviceGetName", name_);
  name_ += fmt::format(" ({})", text.data());
  check(driver().cuDevicePrimaryCtxRetain(&context_, device), "cuDevicePrimaryCtxRetain", name_);
}
Device::~Device() {
  CUdevice device = 0;
  if (driver().cuDeviceGet(&device, number_) == CUDA_SUCCESS) driver().cuDevicePrimaryCtxRelease(device);
}

Event::Event(std::shared_ptr<const Device> device, Stream stream) : device_(std::move(device)) {
  const Current current(context_of(stream, *device_), device_->name());
  CUevent event = nullptr;
  check(driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "cuEventCreate", device_->name());
  const CUresult result = driver().cuEventRecord(event, stream);
  if (result != CUDA_SUCCESS) driver().cuEventDestroy(event);
  check(result, "cuEventRecord", device_->name());
  event_ = event;
}
Event::~Event() {
  if (event_ != nullptr) silently(device_, [this] { driver().cuEventDestroy(event_); });
}
Event::Event(Event&& other) noexcept
    : device_(std::move(other.device_)), event_(std::exchange(other.event_, nullptr)) {}

bool Event::done() const {
  const Current current(*device_);
  const CUresult result = driver().cuEventQuery(event_);
  if (result == CUDA_ERROR_NOT_READY) return false;
  check(result, "the work before it failed", device_->name());
  return true;
}

bool Event::wait(Deadline deadline) const {
  while (!done()) {
    if (deadline.over()) return false;
    std::this_thread::sleep_for(pause_between_looks);
  }
  return true;
}

void Event::make_wait(Stream stream) const {
  const Current current(context_of(stream, *device_), device_->name());
  check(driver().cuStreamWaitEvent(stream, event_, CU_EVENT_WAIT_DEFAULT), "cuStreamWaitEvent", device_->name());
}

CopyStream::CopyStream(std::shared_ptr<const Device> device) : device_(std::move(device)) {
  const Current current(*device_);
  int least = 0, greatest = 0;
  check(driver().cuCtxGetStreamPriorityRange(&least, &greatest), "cuCtxGetStreamPriorityRange", device_->name());
  check(driver().cuStreamCreateWithPriority(&stream_, CU_STREAM_NON_BLOCKING, greatest), "cuStreamCreateWithPriority",
        device_->name());
}
CopyStream::~CopyStream() {
  silently(device_, [this] { driver().cuStreamDestroy(stream_); });
}

void CopyStream::copy(const Move& move) {
  const Current current(*device_);
  check(driver().cuMemcpyAsync(address(move.to), address(move.from), move.bytes, stream_), "cuMemcpyAsync",
        device_->name());
}

void CopyStream::gather(const std::byte* from, const Block& block, std::byte* packed) {
  const Current current(*device_);
  CUDA_MEMCPY3D copy = rows_between(from, packed, block);
  copy.srcPitch = block.pitch;
  copy.srcHeight = block.layer_rows;
  check(driver().cuMemcpy3DAsync(&copy, stream_), "cuMemcpy3DAsync", device_->name());
}

void CopyStream::scatter(const std::byte* packed, const Block& block, std::byte* to) {
  const Current current(*device_);
  CUDA_MEMCPY3D copy = rows_between(packed, to, block);
  copy.dstPitch = block.pitch;
  copy.dstHeight = block.layer_rows;
  check(driver().cuMemcpy3DAsync(&copy, stream_), "cuMemcpy3DAsync", device_->name());
}

void CopyStream::copy_all(std::span<const Move> moves) {
#ifdef HOLDFAST_BATCHES
  if (driver().cuMemcpyBatchAsync != nullptr && moves.size() > 1) {
    std::vector<CUdeviceptr> from, to;
    std::vector<std::size_t> bytes;
    for (const Move& move : moves) {
      from.push_back(address(move.from));
      to.push_back(address(move.to));
      bytes.push_back(move.bytes);
    }
    CUmemcpyAttributes attributes{};
    attributes.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
    std::size_t first = 0;
    const Current current(*device_);
    check(driver().cuMemcpyBatchAsync(to.data(), from.data(), bytes.data(), moves.size(), &attributes, &first, 1,
                                      stream_),
          "cuMemcpyBatchAsync", device_->name());
    return;
  }
#endif
  for (const Move& move : moves) copy(move);
}

Registration::Registration(std::shared_ptr<const Device> device, std::span<std::byte> memory)
    : device_(std::move(device)), memory_(memory.data()) {
  const Current current(*device_);
  check(driver().cuMemHostRegister(memory_, memory.size(), CU_MEMHOSTREGISTER_PORTABLE), "cuMemHostRegister",
        device_->name());
}
Registration::~Registration() {
  silently(device_, [this] { driver().cuMemHostUnregister(memory_); });
}

PinnedMemory::PinnedMemory(std::shared_ptr<const Device> device, std::size_t bytes) : device_(std::move(device)) {
  const Current current(*device_);
  void* memory = nullptr;
  check(driver().cuMemHostAlloc(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE), "cuMemHostAlloc", device_->name());
  memory_ = {static_cast<std::byte*>(memory), bytes};
}
PinnedMemory::~PinnedMemory() {
  silently(device_, [this] { driver().cuMemFreeHost(memory_.data()); });
}

ProfilerRange::ProfilerRange(const char* name) {
  nvtxRangePushA(name);
}
ProfilerRange::~ProfilerRange() {
  nvtxRangePop();
}

}  // namespace holdfast::cuda
