#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "base/error_text.hpp"

/// What ranks and helpers say to each other. docs/protocol.md shows the order. Transport carries bytes: plans travel as
/// encoded blobs that only plan/ and helper/ look into.
namespace holdfast::transport {

inline constexpr std::uint32_t protocol_version = 5;

/// The first bytes on the UNIX socket, rank to helper, then helper to rank.
struct Introduction {
  std::uint32_t protocol = protocol_version;
  std::string nonce;
  std::int32_t rank = -1;
  std::int32_t pid = -1;
  std::string host;
  Bytes worker_address;  ///< UCX
  ErrorRecord refusal;   ///< a sentence if this side cannot go on with the other
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

/// rank -> helper. The helper answers welcome or refused when all its ranks said hello and the directory is open.
struct Hello {
  std::int32_t rank = -1;
  std::int32_t world_size = 0;
  std::int32_t helper_ranks = 0;  ///< how many ranks this helper will serve
  std::string directory;
  std::int32_t keep_last = 0;
  std::int64_t keep_every = 0;
  std::string job;  ///< who holds the directory, in words
  double lock_timeout_s = 0;
  std::string launcher;                   ///< for the event log
  std::string mpi_io;                     ///< MPI-IO component; empty: MPI's choice
  std::vector<std::string> mpi_io_hints;  ///< key, value, key, value …
  std::uint64_t alignment_bytes = 0;
  std::uint64_t write_limit_bytes_per_s = 0;
  std::string helper_cores;
  Engine engine = Engine::automatic;
  std::uint32_t file_mode = 0;
  bool recycle_files = true;
  double save_timeout_s = 0;
  bool replaceable = false;  ///< does the job live on if this helper ends, and can another one take its place?
  static constexpr auto type = MessageType::hello;
  static void fields(auto& c, auto& s) {
    c(s.rank, s.world_size, s.helper_ranks, s.directory, s.keep_last, s.keep_every, s.job, s.lock_timeout_s, s.launcher, s.mpi_io,
      s.mpi_io_hints, s.alignment_bytes, s.write_limit_bytes_per_s, s.helper_cores, s.engine, s.file_mode, s.recycle_files,
      s.save_timeout_s, s.replaceable);
  }
};
struct Welcome {
  static constexpr auto type = MessageType::welcome;
  std::int32_t helpers = 0;          ///< size of the helpers' world
  std::int64_t newest_sequence = 0;  ///< the largest in the directory; 0: none
  std::int64_t head_sequence = 0;    ///< of the newest valid checkpoint; 0: none
  static void fields(auto& c, auto& s) { c(s.helpers, s.newest_sequence, s.head_sequence); }
};
/// The answer to hello, ask_room or open_arena when it cannot be done.
struct Refused {
  static constexpr auto type = MessageType::refused;
  ErrorRecord error;
  static void fields(auto& c, auto& s) { c(s.error); }
};
/// rank -> helper: how much may arenas take, beyond those that are there? Ranks ask together, while none of them has an arena made.
struct AskRoom {
  static constexpr auto type = MessageType::ask_room;
  static void fields(auto&, auto&) {}
};
struct Room {
  static constexpr auto type = MessageType::room;
  std::uint64_t bytes = 0;
  static void fields(auto& c, auto& s) { c(s.bytes); }
};
/// rank -> helper: replace the arena of `slot` by one of `bytes`, or by none (0). Only while no save uses the slot. Answered when
/// it is made; wishes for different slots in any order.
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
  std::uint64_t arena = 0;    ///< its number, which the helper never uses twice; 0: none, as was wished
  std::uint64_t address = 0;  ///< in the helper
  Bytes remote_key;           ///< UCX
  static void fields(auto& c, auto& s) { c(s.slot, s.bytes, s.arena, s.address, s.remote_key); }
};
/// rank -> helper: this rank's part of a plan; saves that follow refer to its id, or to that of `other`.
struct Plan {
  static constexpr auto type = MessageType::plan;
  std::uint64_t plan = 0;
  std::uint64_t other = 0;  ///< the one of those sent before that the rank goes on using; 0: none
  Bytes content;            ///< helper::RankLayout
  static void fields(auto& c, auto& s) { c(s.plan, s.other, s.content); }
};
/// rank -> helper: the arena holds this rank's part of the save's wave (or `error` says why not, which ends the save).
struct Staged {
  static constexpr auto type = MessageType::staged;
  std::uint64_t save = 0;     ///< counts a Checkpointer's saves from 1
  std::int64_t sequence = 0;  ///< of the checkpoint in its directory
  std::int64_t parent = 0;    ///< the sequence of the checkpoint that it goes on from; 0: none
  std::int64_t step = -1;
  std::uint64_t plan = 0;
  std::uint64_t arena = 0;  ///< ArenaReady::arena; 0: this rank has no bytes to save
  std::uint32_t wave = 0;
  std::string copy;  ///< how this rank copies, for the event log
  bool failed = false;
  ErrorRecord error;
  static void fields(auto& c, auto& s) {
    c(s.save, s.sequence, s.parent, s.step, s.plan, s.arena, s.wave, s.copy, s.failed, s.error);
  }
};
/// helper -> rank: the wave is written, and its slot is free for the next one. The last wave is answered by done, as is any
/// that failed.
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
  bool last_word = false;  ///< the helper ends now, with this as its last answer
  static void fields(auto& c, auto& s) {
    c(s.save, s.failed, s.last_word, s.error, s.path, s.bytes, s.write_s, s.fsync_s, s.commit_s);
  }
};
/// rank -> helper: nothing more will come. The helper answers closed when this rank's saves are done, and leaves after the
/// last rank.
struct Bye {
  static constexpr auto type = MessageType::bye;
  static void fields(auto&, auto&) {}
};
struct Closed {
  static constexpr auto type = MessageType::closed;
  static void fields(auto&, auto&) {}
};

/// rank -> helper: are you there? Answered at once by pong, whatever the helper is writing.
struct Ping {
  static constexpr auto type = MessageType::ping;
  static void fields(auto&, auto&) {}
};
struct Pong {
  static constexpr auto type = MessageType::pong;
  static void fields(auto&, auto&) {}
};

/// A message as it is received.
struct Message {
  MessageType type{};
  std::uint32_t number = 0;  ///< among its sender's, from 1
  std::uint32_t about = 0;   ///< the number of the question that it answers; 0: it answers none
  Bytes payload;
};

}  // namespace holdfast::transport
