#pragma once

#include <ucp/api/ucp.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "base/unique_handle.hpp"

/// UCX, one thin checked class per object. Children hold their parents (memory -> context, endpoint -> worker ->
/// context), so teardown has the right order. Only Context is thread-safe.
namespace holdfast::ucx {

/// Throws Error(communication), or out_of_memory, "ucp_xyz: <UCX's text>" unless `status` is UCS_OK.
void check(ucs_status_t status, const char* call);

template <class Handle, void (*Release)(Handle)>
struct HandleTraits {
  using type = Handle;
  static type none() noexcept { return nullptr; }
  static void release(type handle) noexcept { Release(handle); }
};

/// A context of our own, for shared memory only (no TCP port, no device). Its settings are made here, so that neither
/// UCX's defaults nor the environment of the program's MPI matter.
class Context {
 public:
  /// `memory_directory`: where shared memory has a name while it is being made.
  explicit Context(const std::string& memory_directory = "/dev/shm");
  [[nodiscard]] ucp_context_h get() const noexcept { return context_.get(); }

 private:
  UniqueHandle<HandleTraits<ucp_context_h, ucp_cleanup>> context_;
};

/// A UCX operation in progress. When it is done(), check() throws if it failed. It owns the bytes that it sends.
struct Operation {
  Bytes header, payload;
  ucs_status_t status = UCS_INPROGRESS;

  [[nodiscard]] bool done() const noexcept { return status != UCS_INPROGRESS; }
  void check(const char* call) const { ucx::check(status, call); }
};

/// Receives active messages and advances operations, only in calls of progress(). Its destructor cancels unfinished
/// operations and drops the endpoints without waiting for peers.
class Worker {
 public:
  using Receive = std::function<void(std::span<const std::byte> header, std::span<const std::byte> payload)>;

  Worker(std::shared_ptr<const Context> context, Receive receive);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] Bytes address() const;
  /// After arm() returned true, becomes readable when progress() has work.
  [[nodiscard]] int event_fd() const noexcept { return event_fd_; }
  /// Returns true if anything happened; call it again then. Rethrows exceptions of `receive`.
  bool progress();
  /// Prepares to sleep on event_fd(). Returns false if there is more work, or if an operation waits for a congested
  /// peer.
  [[nodiscard]] bool arm();
  /// Whether no operation is in progress.
  [[nodiscard]] bool idle() const noexcept { return unfinished_.empty(); }

  [[nodiscard]] ucp_worker_h get() const noexcept { return worker_.get(); }
  /// Calls `post`, a nonblocking UCX call, for `operation`, which the worker keeps until it is done.
  void start(const std::shared_ptr<Operation>& operation, std::uint32_t flags, const char* call,
             const std::function<ucs_status_ptr_t(const ucp_request_param_t&)>& post);

 private:
  static ucs_status_t on_message(void* self, const void* header, std::size_t header_bytes, void* data,
                                 std::size_t bytes, const ucp_am_recv_param_t* param);

  std::shared_ptr<const Context> context_;
  Receive receive_;
  std::exception_ptr failure_;
  bool received_ = false;
  std::vector<std::shared_ptr<Operation>> unfinished_;  ///< outlive worker_, whose destruction cancels them
  UniqueHandle<HandleTraits<ucp_worker_h, ucp_worker_destroy>> worker_;
  int event_fd_ = -1;
};

/// A connection to a peer's worker. It is closed with its own worker, because closing it alone would wait for the peer.
class Endpoint {
 public:
  Endpoint(std::shared_ptr<Worker> worker, const Bytes& peer_address);

  /// Sends an active message of any size. Messages arrive in the order of sending.
  std::shared_ptr<Operation> send(Bytes header, Bytes payload);
  /// The operation is done when all earlier puts have arrived.
  std::shared_ptr<Operation> flush();
  [[nodiscard]] Worker& worker() const noexcept { return *worker_; }
  [[nodiscard]] ucp_ep_h get() const noexcept { return endpoint_; }

 private:
  std::shared_ptr<Worker> worker_;
  ucp_ep_h endpoint_ = nullptr;
};

/// Shared memory that peers can access.
class Memory {
 public:
  Memory(std::shared_ptr<const Context> context, std::size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// At least as many bytes as were asked for.
  [[nodiscard]] std::span<std::byte> span() const;
  /// The key with which a peer makes its RemoteMemory.
  [[nodiscard]] Bytes key() const;

 private:
  std::shared_ptr<const Context> context_;
  ucp_mem_h memory_ = nullptr;
};

/// The Memory of a peer.
class RemoteMemory {
 public:
  RemoteMemory(std::shared_ptr<Endpoint> endpoint, const Bytes& key, std::uint64_t address);
  /// The peer's memory as mapped into this process; null if the transport cannot map it.
  [[nodiscard]] std::byte* pointer() const noexcept;
  /// Writes `bytes` at `offset`. They must not change until the operation is done.
  std::shared_ptr<Operation> put(std::span<const std::byte> bytes, std::uint64_t offset);

 private:
  std::shared_ptr<Endpoint> endpoint_;
  std::uint64_t address_;
  UniqueHandle<HandleTraits<ucp_rkey_h, ucp_rkey_destroy>> key_;
};

}  // namespace holdfast::ucx
