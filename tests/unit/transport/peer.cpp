// The second process of the transport tests.
//   peer serve SOCKET NONCE               a helper that echoes, opens arenas and tells their checksums
//   peer rank SOCKET NONCE RANK WHAT      a rank that does WHAT until it is killed (or has done it)
// It says what happens in lines on its standard output.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "transport/service.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::transport;

template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}\n", fmt::format(format, std::forward<Args>(args)...));
  std::fflush(stdout);
}

class EchoServer {
 public:
  explicit EchoServer(const Address& address) : service_(listen(address)) { say("listening"); }

  void run() {
    service_->run({.connected =
                       [this](SessionId id, const Introduction& who) {
                         ranks_[id] = who.rank;
                         say("connected {}", who.rank);
                       },
                   .received = [this](SessionId id, const Message& message) { on_message(id, message); },
                   .lost = [this](SessionId id) { say("lost {}", ranks_[id]); },
                   .woken = [] { say("woken"); }});
    say("served");
  }

 private:
  void on_message(SessionId id, const Message& message) {
    switch (message.type) {
      case MessageType::plan:
        return service_->send(id, MessageType::plan, message.payload, message.number);
      case MessageType::open_arena:
        return open_arena(id, decode<OpenArena>(message.payload), message.number);
      case MessageType::staged:
        return check(id, decode<Staged>(message.payload));
      case MessageType::hello:
        // Once: who tests reads later, and a flood of lines would fill the pipe, which holds up everybody.
        if (greeted_.insert(id).second) say("hello from {}", ranks_[id]);
        return;
      case MessageType::bye:
        return service_->send(id, MessageType::closed, {}, message.number);
      case MessageType::refused:
        return service_->drop(id);
      case MessageType::closed:
        return service_->stop();
      default:
        say("unexpected message");
    }
  }
  void open_arena(SessionId id, const OpenArena& wish, std::uint32_t number) {
    if (const auto old = arenas_.find({id, wish.slot}); old != arenas_.end()) {
      service_->close_arena(old->second.memory.data());
      arenas_.erase(old);
    }
    try {
      ServedArena arena = service_->open_arena(id, wish.bytes);
      arena.ready.slot = wish.slot;
      arena.ready.arena = wish.slot + 1;
      service_->send(id, MessageType::arena_ready, encode(arena.ready), number);
      arenas_[{id, wish.slot}] = arena;
    } catch (...) {
      service_->send(id, MessageType::refused, encode(Refused{to_record(current_error())}), number);
    }
  }
  /// Answers with the checksum of the arena, whose number is that of its slot and 1, where Done has its bytes.
  void check(SessionId id, const Staged& staged) {
    const Done done{.save = staged.save, .error = {}, .path = {}, .bytes = checksum(arenas_.at({id, staged.arena - 1}).memory)};
    service_->send(id, MessageType::done, encode(done), 0);
  }

  std::unique_ptr<Service> service_;
  std::map<SessionId, int> ranks_;
  std::set<SessionId> greeted_;
  std::map<std::pair<SessionId, std::uint32_t>, ServedArena> arenas_;
};

void flood(Connection& connection, std::size_t bytes) {
  for (;;) {
    connection.send(MessageType::hello, Bytes(bytes), Deadline(Seconds(20)));
    static_cast<void>(connection.receive(Deadline(Seconds(0))));
  }
}

/// Echoes of growing size come back whole and in order.
void echo_all(Connection& connection) {
  for (std::size_t i = 0; i < 200; ++i) connection.send(MessageType::plan, Bytes(i * 997, std::byte(i)), Deadline(Seconds(20)));
  for (std::size_t i = 0; i < 200; ++i) {
    const auto echo = connection.receive(Deadline(Seconds(20)));
    if (!echo || echo->payload != Bytes(i * 997, std::byte(i))) throw Error(ErrorCode::internal, "a wrong echo");
  }
}

void be_rank(const Address& address, int rank, const std::string& what) {
  const auto connection = connect(address, rank, Transport::automatic, Deadline(Seconds(20)));
  if (what == "ask-and-idle") connection->send(MessageType::plan, Bytes(8 << 20), Deadline(Seconds(20)));
  say("ready");
  if (what == "ask-and-idle") pause();
  if (what == "Idles") pause();
  if (what == "FloodsSmall") flood(*connection, 16);
  if (what == "FloodsLarge") flood(*connection, 4 << 20);
  if (what == "echo") echo_all(*connection);
  if (what == "speak-and-die") {
    connection->send(MessageType::hello, {}, Deadline(Seconds(20)));
    raise(SIGKILL);
  }
  if (what == "fork-and-idle") {
    const pid_t child = fork();
    if (child > 0) say("{}", child);
    pause();
  }
}

}  // namespace

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    const std::string mode = argc > 3 ? argv[1] : "";
    if (mode == "serve")
      EchoServer({argv[2], argv[3]}).run();
    else if (mode == "rank" && argc == 6)
      be_rank({argv[2], argv[3]}, std::atoi(argv[4]), argv[5]);
    else
      return 2;
  } catch (const std::exception& error) {
    say("error {}", error.what());
    return 1;
  }
  return 0;
}
