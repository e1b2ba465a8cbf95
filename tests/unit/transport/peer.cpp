// The second process of the transport tests.
//   peer serve SOCKET NONCE               a helper that echoes, opens arenas and tells their checksums; with at most
//                                         PEER_ADDRESS_SPACE bytes of addresses beyond those that it starts with
//   peer rank SOCKET NONCE RANK WHAT      a rank that does WHAT until it is killed (or has done it)
// It says what happens in lines on its standard output.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "support/address_space.hpp"
#include "transport/service.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::transport;
using holdfast::test::LimitedAddressSpace;

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
                   .arena_made = [this](const MadeArena& made) { on_arena_made(made); },
                   .woken = [] { say("woken"); },
                   .declined = [](const Introduction& who) { say("declined {}: {}", who.rank, who.refusal.message); }});
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
  void open_arena(SessionId id, const OpenArena& wish, std::uint32_t question) {
    const Lent old =
        std::exchange(arenas_[{id, wish.slot}], {.number = ++last_arena_, .question = question, .memory = {}});
    service_->replace_arena({.old = old.number, .number = last_arena_, .bytes = wish.bytes});
  }
  /// The arena's number for the rank is its slot and 1.
  void on_arena_made(const MadeArena& made) {
    const auto found = std::ranges::find(arenas_, made.number, [](const auto& entry) { return entry.second.number; });
    if (found == arenas_.end()) return;
    const auto [id, slot] = found->first;
    found->second.memory = made.memory;
    ArenaReady ready = made.ready;
    ready.slot = slot;
    if (ready.arena != 0) ready.arena = slot + 1;
    if (made.error)
      service_->send(id, MessageType::refused, encode(Refused{to_record(*made.error)}), found->second.question);
    else
      service_->send(id, MessageType::arena_ready, encode(ready), found->second.question);
  }
  /// Answers with the checksum of the arena where Done has its bytes.
  void check(SessionId id, const Staged& staged) {
    const Done done{
        .save = staged.save, .error = {}, .path = {}, .bytes = checksum(arenas_.at({id, staged.arena - 1}).memory)};
    service_->send(id, MessageType::done, encode(done), 0);
  }

  std::unique_ptr<Service> service_;
  std::map<SessionId, int> ranks_;
  std::set<SessionId> greeted_;
  struct Lent {
    std::uint64_t number = 0;
    std::uint32_t question = 0;
    std::span<std::byte> memory;
  };
  std::map<std::pair<SessionId, std::uint32_t>, Lent> arenas_;  ///< by slot
  std::uint64_t last_arena_ = 0;
};

void flood(Connection& connection, std::size_t bytes) {
  for (;;) {
    connection.send(MessageType::hello, Bytes(bytes), Deadline(Seconds(20)));
    static_cast<void>(connection.receive(Deadline(Seconds(0))));
  }
}

/// Echoes of growing size come back whole and in order.
void echo_all(Connection& connection) {
  for (std::size_t i = 0; i < 200; ++i)
    connection.send(MessageType::plan, Bytes(i * 997, std::byte(i)), Deadline(Seconds(20)));
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
    std::optional<LimitedAddressSpace> limited;
    if (const char* bytes = std::getenv("PEER_ADDRESS_SPACE")) limited.emplace(std::stoull(bytes));
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
