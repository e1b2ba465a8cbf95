#include "wrap/ucx.hpp"

#include <dlfcn.h>
#include <ucs/debug/debug.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/error_text.hpp"

namespace holdfast::ucx {
namespace {

constexpr unsigned message_id = 1;
constexpr int calls_per_progress = 8;

/// Settings that must not depend on the environment. Arenas come only from /dev/shm, whose free space is checked
/// beforehand. Neither cma (forbidden by many sites' ptrace settings) nor sysv (4096 segments per node) is needed. A
/// receive queue of 80 buffers takes 0.7 MB, one of the default 512 takes 4.3 MB, and there are two queues per rank.
constexpr std::array<std::array<const char*, 2>, 6> settings = {{
    {"TLS", "posix,self"},
    {"SHM_DEVICES", "all"},
    {"NET_DEVICES", "all"},
    {"ALLOC_PRIO", "md:posix"},
    {"MM_RX_BUFS_GROW", "80"},
    {"MM_HUGETLB_MODE", "no"},
}};

/// The shared object that contains `address`.
const void* object_of(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

/// libucs installs handlers for SIGHUP, SIGSEGV, SIGBUS, SIGILL and SIGFPE when it is loaded. A library must not change
/// its program's handlers, so the earlier ones are restored at load time, where the handler still is UCX's. If
/// UCX_HANDLE_ERRORS is set, UCX's handlers stay.
[[maybe_unused]] const bool signals_given_back = [] {
  if (std::getenv("UCX_HANDLE_ERRORS") != nullptr) return false;
  const void* ucs = object_of(reinterpret_cast<const void*>(&ucs_debug_disable_signal));
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
      continue;
    if (object_of(reinterpret_cast<const void*>(action.sa_handler)) == ucs) ucs_debug_disable_signal(signal);
  }
  return true;
}();

void set(ucp_config_t* config, const std::string& name, const std::string& value) {
  check(ucp_config_modify(config, name.c_str(), value.c_str()), "ucp_config_modify");
}

/// UCX 1.13 has short names for these settings, newer versions full ones. Each warns about unknown names.
void set_memory_directory(ucp_config_t* config, const std::string& directory) {
  unsigned major = 0, minor = 0, release = 0;
  ucp_get_version(&major, &minor, &release);
  const std::string prefix = major == 1 && minor <= 13 ? "" : "POSIX_";
  set(config, prefix + "DIR", directory);
  set(config, prefix + "USE_PROC_LINK", "y");
}

void on_completion(void* request, ucs_status_t status, void* operation) {
  static_cast<Operation*>(operation)->status = status;
  ucp_request_free(request);
}

}  // namespace

void check(ucs_status_t status, const char* call) {
  if (status == UCS_OK) return;
  const ErrorCode code = status == UCS_ERR_NO_MEMORY ? ErrorCode::out_of_memory : ErrorCode::communication;
  throw Error(code, std::string(call) + ": " + ucs_status_string(status), {.host = host_name()});
}

Context::Context(const std::string& memory_directory) {
  ucp_config_t* config = nullptr;
  check(ucp_config_read(nullptr, nullptr, &config), "ucp_config_read");
  const UniqueHandle<HandleTraits<ucp_config_t*, ucp_config_release>> released(config);
  for (const auto& [name, value] : settings) set(config, name, value);
  set_memory_directory(config, memory_directory);

  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_RMA | UCP_FEATURE_WAKEUP;
  params.name = "holdfast";
  ucp_context_h context = nullptr;
  check(ucp_init(&params, config, &context), "ucp_init");
  context_.reset(context);
}

Worker::Worker(std::shared_ptr<const Context> context, Receive receive)
    : context_(std::move(context)), receive_(std::move(receive)) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  ucp_worker_h worker = nullptr;
  check(ucp_worker_create(context_->get(), &params, &worker), "ucp_worker_create");
  worker_.reset(worker);

  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG |
                       UCP_AM_HANDLER_PARAM_FIELD_FLAGS;
  handler.id = message_id;
  handler.cb = &Worker::on_message;
  handler.arg = this;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG;
  check(ucp_worker_set_am_recv_handler(worker, &handler), "ucp_worker_set_am_recv_handler");
  check(ucp_worker_get_efd(worker, &event_fd_), "ucp_worker_get_efd");
}

Bytes Worker::address() const {
  ucp_address_t* address = nullptr;
  std::size_t bytes = 0;
  check(ucp_worker_get_address(get(), &address, &bytes), "ucp_worker_get_address");
  const auto* first = reinterpret_cast<const std::byte*>(address);
  Bytes copy(first, first + bytes);
  ucp_worker_release_address(get(), address);
  return copy;
}

/// UCX's count includes failed attempts to advance a stuck message, so it means nothing while an operation is in
/// progress.
bool Worker::progress() {
  int calls = 0;
  while (calls < calls_per_progress && ucp_worker_progress(get()) != 0) ++calls;
  const std::size_t finished = std::erase_if(unfinished_, [](const auto& operation) { return operation->done(); });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  return finished > 0 || std::exchange(received_, false) || (calls > 0 && unfinished_.empty());
}

bool Worker::arm() {
  const ucs_status_t status = ucp_worker_arm(get());
  if (status == UCS_ERR_BUSY) return false;
  check(status, "ucp_worker_arm");
  return true;
}

void Worker::start(const std::shared_ptr<Operation>& operation, std::uint32_t flags, const char* call,
                   const std::function<ucs_status_ptr_t(const ucp_request_param_t&)>& post) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = flags;
  param.cb.send = on_completion;
  param.user_data = operation.get();
  unfinished_.push_back(operation);  // first: nothing may throw once UCX has the operation
  const ucs_status_ptr_t request = post(param);
  if (UCS_PTR_IS_PTR(request)) return;
  unfinished_.pop_back();
  operation->status = UCS_PTR_STATUS(request);
  operation->check(call);
}

/// UCX is C: an exception must not pass through it.
ucs_status_t Worker::on_message(void* self, const void* header, std::size_t header_bytes, void* data, std::size_t bytes,
                                const ucp_am_recv_param_t* param) {
  auto& worker = *static_cast<Worker*>(self);
  worker.received_ = true;
  try {
    if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0)
      throw Error(ErrorCode::communication, "a message came without its content");
    worker.receive_({static_cast<const std::byte*>(header), header_bytes},
                    {static_cast<const std::byte*>(data), bytes});
  } catch (...) {
    worker.failure_ = std::current_exception();
  }
  return UCS_OK;
}

Endpoint::Endpoint(std::shared_ptr<Worker> worker, const Bytes& peer_address) : worker_(std::move(worker)) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
  params.address = reinterpret_cast<const ucp_address_t*>(peer_address.data());
  check(ucp_ep_create(worker_->get(), &params, &endpoint_), "ucp_ep_create");
}

/// Eager for every size: the content goes through the peer's receive queue, so no message needs an answer from a peer,
/// which may be dead, and all messages arrive in order.
std::shared_ptr<Operation> Endpoint::send(Bytes header, Bytes payload) {
  auto operation = std::make_shared<Operation>(Operation{.header = std::move(header), .payload = std::move(payload)});
  worker_->start(operation, UCP_AM_SEND_FLAG_EAGER, "ucp_am_send_nbx", [&](const ucp_request_param_t& param) {
    return ucp_am_send_nbx(endpoint_, message_id, operation->header.data(), operation->header.size(),
                           operation->payload.data(), operation->payload.size(), &param);
  });
  return operation;
}

std::shared_ptr<Operation> Endpoint::flush() {
  auto operation = std::make_shared<Operation>();
  worker_->start(operation, 0, "ucp_ep_flush_nbx",
                 [&](const ucp_request_param_t& param) { return ucp_ep_flush_nbx(endpoint_, &param); });
  return operation;
}

Memory::Memory(std::shared_ptr<const Context> context, std::size_t bytes) : context_(std::move(context)) {
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_FLAGS;
  params.length = bytes;
  params.flags = UCP_MEM_MAP_ALLOCATE;
  check(ucp_mem_map(context_->get(), &params, &memory_), "ucp_mem_map");
}

Memory::~Memory() {
  ucp_mem_unmap(context_->get(), memory_);
}

std::span<std::byte> Memory::span() const {
  ucp_mem_attr_t attributes{};
  attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS | UCP_MEM_ATTR_FIELD_LENGTH;
  check(ucp_mem_query(memory_, &attributes), "ucp_mem_query");
  return {static_cast<std::byte*>(attributes.address), attributes.length};
}

Bytes Memory::key() const {
  void* key = nullptr;
  std::size_t bytes = 0;
  check(ucp_rkey_pack(context_->get(), memory_, &key, &bytes), "ucp_rkey_pack");
  Bytes copy(static_cast<const std::byte*>(key), static_cast<const std::byte*>(key) + bytes);
  ucp_rkey_buffer_release(key);
  return copy;
}

RemoteMemory::RemoteMemory(std::shared_ptr<Endpoint> endpoint, const Bytes& key, std::uint64_t address)
    : endpoint_(std::move(endpoint)), address_(address) {
  if (key.empty()) throw Error(ErrorCode::communication, "a peer's memory came without a key", {.host = host_name()});
  ucp_rkey_h handle = nullptr;
  check(ucp_ep_rkey_unpack(endpoint_->get(), key.data(), &handle), "ucp_ep_rkey_unpack");
  key_.reset(handle);
}

std::byte* RemoteMemory::pointer() const noexcept {
  void* local = nullptr;
  return ucp_rkey_ptr(key_.get(), address_, &local) == UCS_OK ? static_cast<std::byte*>(local) : nullptr;
}

std::shared_ptr<Operation> RemoteMemory::put(std::span<const std::byte> bytes, std::uint64_t offset) {
  auto operation = std::make_shared<Operation>();
  endpoint_->worker().start(operation, 0, "ucp_put_nbx", [&](const ucp_request_param_t& param) {
    return ucp_put_nbx(endpoint_->get(), bytes.data(), bytes.size(), address_ + offset, key_.get(), &param);
  });
  return operation;
}

}  // namespace holdfast::ucx
