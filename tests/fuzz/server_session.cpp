#include "fuzz/server_session.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "base/checksum.hpp"
#include "helper/server.hpp"
#include "settings/settings.hpp"

namespace holdfast::fuzz {
namespace {

using namespace transport;

constexpr std::size_t max_arena_bytes = 1 << 15;

/// The bytes of the script, taken one after the other; 0 when there are no more.
class Script {
 public:
  explicit Script(std::span<const std::byte> rest) : rest_(rest) {}
  [[nodiscard]] bool over() const noexcept { return rest_.empty(); }
  std::uint8_t next() {
    if (over()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return value;
  }
  Bytes take(std::size_t bytes) {
    bytes = std::min(bytes, rest_.size());
    const Bytes taken(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(bytes));
    rest_ = rest_.subspan(bytes);
    return taken;
  }

 private:
  std::span<const std::byte> rest_;
};

/// A layout that is mostly right.
plan::RankLayout layout_of(Script& script) {
  plan::RankLayout layout{.rank = script.next() % 4, .owned = {}, .pieces = {}};
  layout.owned.push_back({"w",
                          static_cast<plan::DatasetKind>(script.next() % 8),
                          static_cast<DType>(script.next() % 20),
                          {script.next()}});
  const std::uint64_t key[] = {script.next(), script.next()};
  layout.pieces.push_back({.dataset = key[0] << 8 | key[1],
                           .box = {{script.next()}, {script.next()}},
                           .arena_offset = script.next() * std::uint64_t{64},
                           .bytes = script.next() * std::uint64_t{64}});
  return layout;
}

class ScriptedService final : public Service {
 public:
  ScriptedService(Script script, Mailbox<helper::Job>& jobs) : script_(script), jobs_(jobs) {}
  void serve(helper::Server& server) {
    server_ = &server;
    server.run();
  }

  void run(const Callbacks& callbacks) override {
    while (!script_.over() && !stopped_) step(callbacks);
    while (finish_one(callbacks)) {
    }
  }
  void stop() override { stopped_ = true; }
  void wake() override {}
  [[nodiscard]] FileDescriptor process_of(SessionId) const override { return {}; }
  void send(SessionId, MessageType, const Bytes&, std::uint32_t) override {}
  [[nodiscard]] std::uint64_t room() const override { return max_arena_bytes; }
  void replace_arena(const ArenaWish& wish) override {
    if (!numbers_.insert(wish.number).second || (wish.old != 0 && !numbers_.contains(wish.old))) std::abort();
    wishes_.push_back(wish);
  }
  void drop(SessionId id) override { live_.erase(id); }

 private:
  void step(const Callbacks& callbacks) {
    const std::uint8_t what = script_.next() % 14;
    if (what == 0 && sessions_ < 4) {
      live_[++sessions_] = true;
      return callbacks.connected(
          sessions_, {.rank = static_cast<std::int32_t>(sessions_) - 1, .worker_address = {}, .refusal = {}});
    }
    if (what == 1) return static_cast<void>(finish_one(callbacks));
    if (what == 2) return fulfil_one(callbacks);
    const SessionId id = script_.next() % 4 + 1U;
    if (!live_.contains(id)) return;
    if (what == 3) {
      live_.erase(id);
      return callbacks.lost(id);
    }
    callbacks.received(id, message(what));
  }

  /// Mostly good ones.
  Bytes options() {
    Bytes bytes = settings::encode(Options{});
    if (const std::uint8_t cut = script_.next(); cut % 8 == 0) bytes.resize(cut);
    return bytes;
  }

  Message message(std::uint8_t what) {
    switch (what) {
      case 4: {
        const std::int32_t world = script_.next() % 4;
        return packed(Hello{
            .rank = script_.next() % 4, .world_size = world, .helper_ranks = script_.next() % 3, .options = options()});
      }
      case 5:
      case 6:
        return packed(OpenArena{.slot = script_.next() % 3U, .bytes = script_.next() * std::uint64_t{300}});
      case 7:
        return packed(
            Plan{.plan = script_.next() % 3U, .other = script_.next() % 3U, .content = encode(layout_of(script_))});
      case 8: {
        const std::uint64_t save = script_.next() % 4U;
        return packed(Staged{.save = save,
                             .step = script_.next(),
                             .plan = script_.next() % 3U,
                             .arena = script_.next() % 8U,
                             .wave = script_.next() % 3U});
      }
      case 9:
        return packed(Bye{});
      default:
        const auto type = static_cast<MessageType>(script_.next() % 18);
        return {.type = type, .number = ++messages_, .payload = script_.take(script_.next())};
    }
  }
  template <class T>
  Message packed(const T& message) {
    return {.type = T::type, .number = ++messages_, .payload = encode(message)};
  }

  /// The maker's part: any wish but one whose old arena is still to be made.
  void fulfil_one(const Callbacks& callbacks) {
    if (wishes_.empty()) return;
    auto chosen = wishes_.begin() + script_.next() % static_cast<std::ptrdiff_t>(wishes_.size());
    if (std::any_of(wishes_.begin(), chosen, [&](const ArenaWish& wish) { return wish.number == chosen->old; }))
      chosen = wishes_.begin();
    const ArenaWish wish = *chosen;
    wishes_.erase(chosen);
    arenas_.erase(wish.old);
    MadeArena made{.number = wish.number, .memory = {}, .ready = {.remote_key = {}}, .error = {}};
    if (wish.bytes > max_arena_bytes) {
      made.error = Error(ErrorCode::out_of_memory, "more than there is");
    } else if (wish.bytes != 0) {
      made.memory = *arenas_.emplace(wish.number, std::make_unique<Bytes>(wish.bytes)).first->second;
      made.ready.bytes = wish.bytes;
      made.ready.arena = wish.number;
    }
    callbacks.arena_made(made);
  }

  /// The drain's part: opens, or reads what it would write.
  bool finish_one(const Callbacks& callbacks) {
    const auto job = jobs_.try_pop();
    if (!job) return false;
    if (std::holds_alternative<helper::OpenJob>(*job)) server_->report(helper::Opened{.helpers = 1, .error = {}});
    if (const auto* save = std::get_if<helper::SaveJob>(&*job)) {
      for (const helper::StagedPart& part : save->parts)
        for (const plan::Piece& piece : part.layout->pieces)
          sum_ ^= piece.bytes == 0 ? 0 : checksum({part.arena + piece.arena_offset, piece.bytes});
      const bool goes_on = !save->error && save->wave + 1 < save->waves;
      if (goes_on)
        server_->report(helper::WaveWritten{.save = save->save, .wave = save->wave});
      else
        server_->report(helper::SaveEnded{.save = save->save, .error = save->error, .result = {}, .commit_s = 0});
    }
    callbacks.woken();
    return true;
  }

  Script script_;
  Mailbox<helper::Job>& jobs_;
  helper::Server* server_ = nullptr;
  std::map<SessionId, bool> live_;
  std::vector<ArenaWish> wishes_;
  std::set<std::uint64_t> numbers_;  ///< that were given to arenas
  std::map<std::uint64_t, std::unique_ptr<Bytes>> arenas_;
  SessionId sessions_ = 0;
  std::uint32_t messages_ = 0;
  std::uint64_t sum_ = 0;
  bool stopped_ = false;
};

}  // namespace

void serve(std::span<const std::byte> script) {
  Mailbox<helper::Job> jobs;
  ScriptedService service(Script(script), jobs);
  const mpi::Communicator nobody;
  helper::HeartbeatMonitor peers(nobody, [](helper::Outcome) {});
  const helper::ServeOptions settings;
  helper::Server server(service, jobs, peers, settings);
  service.serve(server);
}

}  // namespace holdfast::fuzz
