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

/// UCX, one thin checked class per object. Children hold their parents (memory -> context, endpoint -> worker -> context),
/// so teardown cannot come in the wrong order. Nothing here is thread-safe but Context.
namespace holdfast::ucx {

/// Throws Error(communication), or out_of_memory, "ucp_xyz: <UCX's text>" unless `status` is UCS_OK.
void check(ucs_status_t status, const char* call);

template <class Handle, void (*Release)(Handle)>
struct HandleTraits {
  using type = Handle;
  static type none() noexcept { return nullptr; }
  static void release(type handle) noexcept { Release(handle); }
};

/// A context of our own: shared memory only (no TCP port, no device), set from inside, so that neither UCX's defaults nor
/// what the environment says for the program's MPI matter.
class Context {
 public:
  /// `memory_directory`: where shared memory has a name while it is made.
  explicit Context(const std::string& memory_directory = "/dev/shm");
  [[nodiscard]] ucp_context_h get() const noexcept { return context_.get(); }

 private:
  UniqueHandle<HandleTraits<ucp_context_h, ucp_cleanup>> context_;
};

/// Something under way: it is over when done(), and check() throws what went wrong. It owns the bytes it sends.
struct Operation {
  Bytes header, payload;
  ucs_status_t status = UCS_INPROGRESS;

  [[nodiscard]] bool done() const noexcept { return status != UCS_INPROGRESS; }
  void check(const char* call) const { ucx::check(status, call); }
};

/// Receives active messages and makes operations go on, in calls of progress() only. Its destructor cancels what is
/// unfinished and drops the endpoints at once: it waits for no peer.
class Worker {
 public:
  using Receive = std::function<void(std::span<const std::byte> header, std::span<const std::byte> payload)>;

  Worker(std::shared_ptr<const Context> context, Receive receive);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] Bytes address() const;
  /// Readable when there is something to do, after arm() returned true.
  [[nodiscard]] int event_fd() const noexcept { return event_fd_; }
  /// True if anything happened, so that more may. Throws what `receive` threw.
  bool progress();
  /// True: sleep on event_fd(). False: there is more to do, or something waits for a congested peer.
  [[nodiscard]] bool arm();
  /// No operation is under way.
  [[nodiscard]] bool idle() const noexcept { return unfinished_.empty(); }

  [[nodiscard]] ucp_worker_h get() const noexcept { return worker_.get(); }
  /// Starts `post` (a nonblocking UCX call) for `operation`, which is kept until it is over.
  void start(const std::shared_ptr<Operation>& operation, std::uint32_t flags, const char* call,
             const std::function<ucs_status_ptr_t(const ucp_request_param_t&)>& post);

 private:
  static ucs_status_t on_message(void* self, const void* header, std::size_t header_bytes, void* data, std::size_t bytes,
                                 const ucp_am_recv_param_t* param);

  std::shared_ptr<const Context> context_;
  Receive receive_;
  std::exception_ptr failure_;
  bool received_ = false;
  std::vector<std::shared_ptr<Operation>> unfinished_;  ///< outlives worker_, which cancels them when it goes
  UniqueHandle<HandleTraits<ucp_worker_h, ucp_worker_destroy>> worker_;
  int event_fd_ = -1;
};

/// The way to a peer's worker. It goes with its worker: closing it alone would wait for the peer.
class Endpoint {
 public:
  Endpoint(std::shared_ptr<Worker> worker, const Bytes& peer_address);

  /// An active message of any size; messages arrive in the order in which they were sent.
  std::shared_ptr<Operation> send(Bytes header, Bytes payload);
  /// Done when all that was put has arrived.
  std::shared_ptr<Operation> flush();
  [[nodiscard]] Worker& worker() const noexcept { return *worker_; }
  [[nodiscard]] ucp_ep_h get() const noexcept { return endpoint_; }

 private:
  std::shared_ptr<Worker> worker_;
  ucp_ep_h endpoint_ = nullptr;
};

/// Shared memory that peers can reach.
class Memory {
 public:
  Memory(std::shared_ptr<const Context> context, std::size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// At least as much as was asked for.
  [[nodiscard]] std::span<std::byte> span() const;
  /// What a peer needs to reach it.
  [[nodiscard]] Bytes key() const;

 private:
  std::shared_ptr<const Context> context_;
  ucp_mem_h memory_ = nullptr;
};

/// A peer's Memory.
class RemoteMemory {
 public:
  RemoteMemory(std::shared_ptr<Endpoint> endpoint, const Bytes& key, std::uint64_t address);
  /// Where the peer's memory stands in this process; null where the way to it cannot do that.
  [[nodiscard]] std::byte* pointer() const noexcept;
  /// `bytes` must stay as they are until the operation is done.
  std::shared_ptr<Operation> put(std::span<const std::byte> bytes, std::uint64_t offset);

 private:
  std::shared_ptr<Endpoint> endpoint_;
  std::uint64_t address_;
  UniqueHandle<HandleTraits<ucp_rkey_h, ucp_rkey_destroy>> key_;
};

}  // namespace holdfast::ucx
