#include "transport/service.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <thread>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "transport/arena_directory.hpp"
#include "transport/arena_maker.hpp"
#include "transport/channel.hpp"
#include "transport/introduction.hpp"
#include "transport/socket.hpp"

namespace holdfast::transport {
namespace {

/// Time that a new connection has to introduce itself.
constexpr double introduction_timeout_s = 5;
/// Time at the end of run() for messages that ranks have not taken yet.
constexpr double flush_timeout_s = 1;
/// Pause while a rank's receive queue is full: no descriptor tells of room, and the worker's stays readable.
constexpr int congested_ms = 1;
/// Interval at which connections without an introduction are checked.
constexpr int newcomer_check_ms = 1000;
constexpr int no_timeout = -1;

/// What an epoll event is about. Workers need no id: all of them are served whenever anything happens.
enum class Source : std::uint32_t { listener, wake, arenas, newcomer, lifeline, worker };

void require(bool good, const char* call) {
  if (!good) throw Error(ErrorCode::launch, fmt::format("{}: {}", call, errno_text(errno)), {.host = host_name()});
}

/// The descriptors that run() sleeps on. The kernel removes a closed one.
class Watch {
 public:
  struct Event {
    Source source;
    std::uint32_t id;
  };
  Watch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { require(static_cast<bool>(epoll_), "epoll_create1"); }

  void add(int fd, Source source, std::uint32_t id = 0, std::uint32_t flags = 0) {
    epoll_event event{.events = EPOLLIN | flags, .data = {.u64 = static_cast<std::uint64_t>(source) << 32 | id}};
    require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }
  void remove(int fd) noexcept { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }
  [[nodiscard]] std::vector<Event> wait(int timeout_ms) {
    std::array<epoll_event, 64> ready{};
    const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), timeout_ms);
    require(count >= 0 || errno == EINTR, "epoll_wait");
    std::vector<Event> events;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = ready[static_cast<std::size_t>(i)].data.u64;
      events.push_back({static_cast<Source>(data >> 32), static_cast<std::uint32_t>(data)});
    }
    return events;
  }

 private:
  FileDescriptor epoll_;
};

/// A connection that has not introduced itself yet.
struct Newcomer {
  FileDescriptor socket;
  Deadline deadline{Seconds(introduction_timeout_s)};
};

struct Session {
  FileDescriptor socket;   ///< lifeline
  FileDescriptor process;  ///< pidfd; a forked child may keep the lifeline open after the rank's death
  int rank = -1;
  std::unique_ptr<Channel> channel;
  bool cut = false;      ///< the rank is gone; its earlier messages are still to be handed out
  bool dropped = false;  ///< no callback is called for it any more
};

/// True if anything happened. Living ranks take turns; all that a dead rank has sent is taken at once.
bool progress(const Session& session, bool to_the_end) {
  ucx::Worker& worker = session.channel->worker();
  const bool any = worker.progress();
  while (any && to_the_end && worker.progress()) {
  }
  return any;
}

void clear(int event) {
  eventfd_t ignored = 0;
  eventfd_read(event, &ignored);
}

int at_most_a_second(int timeout_ms) {
  return timeout_ms < 0 ? 1000 : std::min(timeout_ms, 1000);
}

class UcxService final : public Service {
 public:
  explicit UcxService(const Address& address)
      : nonce_(address.nonce),
        listener_(listen_on(address.socket_name)),
        wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        maker_(arena_directory_of(address.socket_name)) {
    require(static_cast<bool>(wake_), "eventfd");
    watch_.add(wake_.get(), Source::wake);
    watch_.add(maker_.event_fd(), Source::arenas);
    watch_.add(listener_.get(), Source::listener, 0, EPOLLET);  // edge-triggered: a failing accept does not spin
  }

  void run(const Callbacks& callbacks) override {
    while (!stopped_) {
      const int timeout_ms = serve_all(callbacks);
      const bool needs_polling = callbacks.needs_polling && callbacks.needs_polling();
      for (const Watch::Event& event : watch_.wait(needs_polling ? at_most_a_second(timeout_ms) : timeout_ms))
        on_event(event, callbacks);
      if (needs_polling) callbacks.woken();
      refuse_silent_newcomers();
    }
    flush_sends();
    sessions_.clear();
  }
  void stop() override { stopped_ = true; }
  void wake() override { eventfd_write(wake_.get(), 1); }

  void send(SessionId id, MessageType type, const Bytes& payload, std::uint32_t about) override;
  [[nodiscard]] FileDescriptor process_of(SessionId id) const override {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || !found->second.process) return {};
    return FileDescriptor(fcntl(found->second.process.get(), F_DUPFD_CLOEXEC, 0));
  }
  [[nodiscard]] std::uint64_t room() const override { return ArenaMaker::room(); }
  void replace_arena(const ArenaWish& wish) override { maker_.push(wish); }
  void drop(SessionId id) override {
    if (const auto found = sessions_.find(id); found != sessions_.end()) found->second.dropped = true;
  }

 private:
  int serve_all(const Callbacks& callbacks);
  bool serve(SessionId id, Session& session, const Callbacks& callbacks);
  void hand_out(SessionId id, Session& session, const Callbacks& callbacks);
  int poll_timeout_ms();
  void on_event(const Watch::Event& event, const Callbacks& callbacks);
  void accept_newcomers();
  void on_introduction(std::uint32_t id, const Callbacks& callbacks);
  SessionId admit(FileDescriptor& socket, const Introduction& rank);
  void refuse(int socket, const Error& reason);
  void refuse_silent_newcomers();
  void flush_sends();

  const std::string nonce_;
  const FileDescriptor listener_, wake_;
  Watch watch_;
  const std::shared_ptr<const ucx::Context> context_ = std::make_shared<const ucx::Context>();
  std::map<std::uint32_t, Newcomer> newcomers_;
  std::map<SessionId, Session> sessions_;
  ArenaMaker maker_;
  std::uint32_t next_id_ = 1;
  bool stopped_ = false;
};

/// Serves all sessions once. Returns the timeout of the next sleep in ms; -1: none.
int UcxService::serve_all(const Callbacks& callbacks) {
  bool active = false;
  for (auto& [id, session] : sessions_) active |= serve(id, session, callbacks);
  std::erase_if(sessions_, [](const auto& entry) { return entry.second.cut || entry.second.dropped; });
  return active || stopped_ ? 0 : poll_timeout_ms();
}

/// True if anything happened. A failing channel means a lost rank; the others are still served.
bool UcxService::serve(SessionId id, Session& session, const Callbacks& callbacks) {
  if (session.dropped) return true;
  const bool lifeline_cut = session.cut;  // read before the last progress, so that no earlier message is missed
  bool any = false;
  try {
    any = progress(session, lifeline_cut);
  } catch (const Error& error) {
    log::warning("the channel to rank {} failed: {}", session.rank, error.what());
    session.cut = true;
  }
  hand_out(id, session, callbacks);
  if (session.cut && !session.dropped) {
    session.dropped = true;
    callbacks.lost(id);
  }
  return any || lifeline_cut || session.dropped;
}

void UcxService::hand_out(SessionId id, Session& session, const Callbacks& callbacks) {
  while (!session.dropped) {
    auto message = session.channel->take();
    if (!message) return;
    callbacks.received(id, std::move(*message));
  }
}

/// Arms all workers. Returns the timeout of the next sleep in ms; 0 if a worker has more to do after all.
int UcxService::poll_timeout_ms() {
  bool congested = false;
  for (auto& [id, session] : sessions_) {
    ucx::Worker& worker = session.channel->worker();
    if (worker.arm()) continue;
    if (worker.progress()) return 0;
    congested = true;
  }
  if (congested) {
    std::this_thread::sleep_for(std::chrono::milliseconds(congested_ms));
    return 0;
  }
  return newcomers_.empty() ? no_timeout : newcomer_check_ms;
}

void UcxService::on_event(const Watch::Event& event, const Callbacks& callbacks) {
  switch (event.source) {
    case Source::listener:
      return accept_newcomers();
    case Source::newcomer:
      return on_introduction(event.id, callbacks);
    case Source::worker:
      return;
    case Source::lifeline:
      if (const auto found = sessions_.find(event.id); found != sessions_.end()) found->second.cut = true;
      return;
    case Source::arenas:
      clear(maker_.event_fd());
      while (const auto made = maker_.take()) callbacks.arena_made(*made);
      return;
    case Source::wake:
      clear(wake_.get());
      return callbacks.woken();
  }
}

void UcxService::accept_newcomers() {
  for (;;) {
    FileDescriptor socket = accept_on(listener_.get());
    if (!socket && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!socket) {
      if (errno != EAGAIN) log::warning("a rank cannot be let in: {}", errno_text(errno));
      return;
    }
    const std::uint32_t id = next_id_++;
    watch_.add(socket.get(), Source::newcomer, id);
    newcomers_.emplace(id, Newcomer{.socket = std::move(socket)});
  }
}

void UcxService::on_introduction(std::uint32_t id, const Callbacks& callbacks) {
  const auto found = newcomers_.find(id);
  if (found == newcomers_.end()) return;
  Bytes packet;
  const Arrival arrival = receive_packet(found->second.socket.get(), packet);
  if (arrival == Arrival::nothing_yet) return;
  FileDescriptor socket = std::move(found->second.socket);
  newcomers_.erase(found);
  watch_.remove(socket.get());
  if (arrival == Arrival::end) return;
  Introduction rank;
  SessionId session = 0;
  try {
    if (arrival == Arrival::too_long)
      throw Error(ErrorCode::launch, "the introduction is too long", {.host = host_name()});
    rank = read_introduction(packet, peer_of(socket.get()));
    require_nonce(rank, nonce_);
    if (!rank.refusal.message.empty()) {
      if (callbacks.declined) callbacks.declined(rank);
      return;
    }
    session = admit(socket, rank);
  } catch (const Error& error) {
    return refuse(socket.get(), error);
  }
  callbacks.connected(session, rank);
}

/// Makes the channel before it answers, so that the rank can send as soon as it has the answer.
SessionId UcxService::admit(FileDescriptor& socket, const Introduction& rank) {
  const SessionId id = next_id_++;
  Session session{.socket = {}, .process = {}, .rank = rank.rank, .channel = std::make_unique<Channel>(context_)};
  session.channel->connect(rank.worker_address);
  session.process = watch_process_of(socket.get());
  if (session.process) watch_.add(session.process.get(), Source::lifeline, id);
  watch_.add(session.channel->worker().event_fd(), Source::worker);
  watch_.add(socket.get(), Source::lifeline, id);
  if (!send_packet(socket.get(), encode(introduce(nonce_, rank.rank, session.channel->address()))))
    throw Error(ErrorCode::launch, "it has gone before it was let in", {.host = host_name()});
  session.socket = std::move(socket);
  sessions_.emplace(id, std::move(session));
  return id;
}

void UcxService::refuse(int socket, const Error& reason) {
  log::warning("somebody is refused: {}", reason.what());
  Introduction answer = introduce({}, -1, {});
  answer.refusal = to_record(reason);
  send_packet(socket, encode(answer));
}

void UcxService::refuse_silent_newcomers() {
  std::erase_if(newcomers_, [&](const auto& entry) {
    const bool over = entry.second.deadline.over();
    if (over)
      refuse(entry.second.socket.get(),
             Error(ErrorCode::launch, fmt::format("no introduction within {} s", introduction_timeout_s),
                   {.host = host_name()}));
    return over;
  });
}

void UcxService::send(SessionId id, MessageType type, const Bytes& payload, std::uint32_t about) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.dropped) return;
  try {
    found->second.channel->send(type, payload, about);
  } catch (const Error& error) {
    log::warning("rank {} cannot be told: {}", found->second.rank, error.what());
    found->second.cut = true;
  }
}

/// Sends what is left: the last messages may still wait for room in a busy rank's queue.
void UcxService::flush_sends() {
  const Deadline deadline{Seconds(flush_timeout_s)};
  std::erase_if(sessions_, [](const auto& entry) { return entry.second.cut || entry.second.dropped; });
  while (!sessions_.empty() && !deadline.over()) {
    std::erase_if(sessions_, [](auto& entry) {
      entry.second.channel->worker().progress();
      return entry.second.channel->worker().idle();
    });
    if (!sessions_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(congested_ms));
  }
}

}  // namespace

std::unique_ptr<Service> listen(const Address& address) {
  sweep_arena_directories();
  Channel::require_room();
  return std::make_unique<UcxService>(address);
}

}  // namespace holdfast::transport
