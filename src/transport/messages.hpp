#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "base/error_text.hpp"

/// The messages between ranks and helpers. docs/protocol.md shows their order. Transport carries bytes: plans and
/// options travel encoded, and only plan/, helper/ and settings/ look into them.
namespace holdfast::transport {

inline constexpr std::uint32_t protocol_version = 8;

/// The first packet on the UNIX socket: from the rank, then from the helper.
struct Introduction {
  std::uint32_t protocol = protocol_version;
  std::string nonce;
  std::int32_t rank = -1;
  std::int32_t pid = -1;
  std::string host;
  Bytes worker_address;  ///< address of this side's UCX worker
  ErrorRecord refusal;   ///< why this side refuses the other; empty if it does not
  static void fields(auto& c, auto& s) { c(s.protocol, s.nonce, s.rank, s.pid, s.host, s.worker_address, s.refusal); }
};

enum class MessageType : std::uint16_t {
  hello,
  welcome,
  refused,
  ask_room,
  room,
  open_arena,
  arena_ready,
  plan,
  staged,
  drained,
  done,
  bye,
  closed,
  ping,
  pong
};

/// rank -> helper. When all its ranks have said hello, the helper opens the directory and answers welcome or refused.
struct Hello {
  std::int32_t rank = -1;
  std::int32_t world_size = 0;
  std::int32_t helper_ranks = 0;  ///< number of ranks that this helper serves
  Bytes options;                  ///< encoded by settings::encode()
  std::string job;                ///< who holds the directory, in words
  double lock_timeout_s = 0;      ///< about half of the time that opening the directory may take
  std::string launcher;           ///< name of the launcher, for the event log
  bool replaceable = false;       ///< the job outlives this helper, and another can replace it
  static constexpr auto type = MessageType::hello;
  static void fields(auto& c, auto& s) {
    c(s.rank, s.world_size, s.helper_ranks, s.options, s.job, s.lock_timeout_s, s.launcher, s.replaceable);
  }
};
struct Welcome {
  static constexpr auto type = MessageType::welcome;
  std::int32_t helpers = 0;          ///< size of the helpers' world
  std::int64_t newest_sequence = 0;  ///< largest sequence in the directory; 0: none
  std::int64_t head_sequence = 0;    ///< sequence of the newest valid checkpoint; 0: none
  static void fields(auto& c, auto& s) { c(s.helpers, s.newest_sequence, s.head_sequence); }
};
/// The answer to hello, ask_room or open_arena where the helper cannot do it.
struct Refused {
  static constexpr auto type = MessageType::refused;
  ErrorRecord error;
  static void fields(auto& c, auto& s) { c(s.error); }
};
/// rank -> helper: asks how many bytes further arenas may take. Ranks ask together, while no arena is being made.
struct AskRoom {
  static constexpr auto type = MessageType::ask_room;
  static void fields(auto&, auto&) {}
};
struct Room {
  static constexpr auto type = MessageType::room;
  std::uint64_t bytes = 0;
  static void fields(auto& c, auto& s) { c(s.bytes); }
};
/// rank -> helper: replace the arena of `slot` by one of `bytes`, or by none (0). Allowed only while no save uses the
/// slot. The helper answers when the arena is made, for different slots in any order.
struct OpenArena {
  static constexpr auto type = MessageType::open_arena;
  std::uint32_t slot = 0;
  std::uint64_t bytes = 0;
  static void fields(auto& c, auto& s) { c(s.slot, s.bytes); }
};
struct ArenaReady {
  static constexpr auto type = MessageType::arena_ready;
  std::uint32_t slot = 0;
  std::uint64_t bytes = 0;
  std::uint64_t arena = 0;    ///< number of the arena, which the helper uses once; 0: none, as wished
  std::uint64_t address = 0;  ///< address of the memory in the helper
  Bytes remote_key;           ///< UCX key of the memory
  static void fields(auto& c, auto& s) { c(s.slot, s.bytes, s.arena, s.address, s.remote_key); }
};
/// rank -> helper: this rank's part of a plan. Later saves refer to the number `plan` or `other`.
struct Plan {
  static constexpr auto type = MessageType::plan;
  std::uint64_t plan = 0;
  std::uint64_t other = 0;  ///< number of the earlier plan that stays in use; 0: none
  Bytes content;            ///< encoded plan::RankLayout
  static void fields(auto& c, auto& s) { c(s.plan, s.other, s.content); }
};
/// rank -> helper: the arena holds this rank's part of the wave. If `failed`, `error` says why not, and the save fails.
struct Staged {
  static constexpr auto type = MessageType::staged;
  std::uint64_t save = 0;     ///< counts a Checkpointer's saves from 1
  std::int64_t sequence = 0;  ///< sequence of the checkpoint in its directory
  std::int64_t parent = 0;    ///< sequence of the save that this one goes on from; 0: none
  std::int64_t step = -1;
  std::uint64_t plan = 0;
  std::uint64_t arena = 0;  ///< ArenaReady::arena; 0: this rank has no bytes to save
  std::uint32_t wave = 0;
  std::string copy;        ///< how this rank copies, for the event log
  std::string attributes;  ///< of the save, as the file has them; from rank 0
  bool failed = false;
  ErrorRecord error;
  static void fields(auto& c, auto& s) {
    c(s.save, s.sequence, s.parent, s.step, s.plan, s.arena, s.wave, s.copy, s.attributes, s.failed, s.error);
  }
};
/// helper -> rank: the wave is written, and its slot is free for the next one. Done answers the last wave and any that
/// failed.
struct Drained {
  static constexpr auto type = MessageType::drained;
  std::uint64_t save = 0;
  std::uint32_t wave = 0;
  static void fields(auto& c, auto& s) { c(s.save, s.wave); }
};
/// helper -> rank: the save is committed, or failed; either way its slot is free.
struct Done {
  static constexpr auto type = MessageType::done;
  std::uint64_t save = 0;
  bool failed = false;
  ErrorRecord error;
  std::string path;
  std::uint64_t bytes = 0;
  double write_s = 0, fsync_s = 0, commit_s = 0;
  bool last_word = false;  ///< the helper ends now; this is its last answer
  static void fields(auto& c, auto& s) {
    c(s.save, s.failed, s.last_word, s.error, s.path, s.bytes, s.write_s, s.fsync_s, s.commit_s);
  }
};
/// rank -> helper: the rank leaves. The helper answers closed when this rank's saves are done and the programs after
/// their commits are over, and leaves after the last rank.
struct Bye {
  static constexpr auto type = MessageType::bye;
  double time_left_s = 0;  ///< how long the rank waits for the answer
  static void fields(auto& c, auto& s) { c(s.time_left_s); }
};
struct Closed {
  static constexpr auto type = MessageType::closed;
  static void fields(auto&, auto&) {}
};

/// rank -> helper: asks for a sign of life. The helper answers pong at once, whatever it is writing.
struct Ping {
  static constexpr auto type = MessageType::ping;
  static void fields(auto&, auto&) {}
};
struct Pong {
  static constexpr auto type = MessageType::pong;
  static void fields(auto&, auto&) {}
};

/// A received message.
struct Message {
  MessageType type{};
  std::uint32_t number = 0;  ///< counts the sender's messages from 1
  std::uint32_t about = 0;   ///< number of the message that this one answers; 0: none
  Bytes payload;
};

}  // namespace holdfast::transport
