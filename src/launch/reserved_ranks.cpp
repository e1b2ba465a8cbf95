#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "launch/launcher.hpp"
#include "launch/nonce.hpp"
#include "launch/reservation.hpp"
#include "settings/text.hpp"
#include "transport/introduction.hpp"

namespace holdfast::launch {
namespace {

/// Time for the ranks and the helper of a node to find each other.
constexpr double meeting_timeout_s = 60;
/// Time that a new connection has to introduce itself.
constexpr double introduction_timeout_s = 2;

/// What a training rank keeps until MPI_Finalize. Shutting the socket down releases the helper rank even if a forked
/// child has the socket open, too.
struct Kept {
  Kept(mpi::Communicator ranks, FileDescriptor socket) : training(ranks), helper(std::move(socket)) {}
  ~Kept() { shutdown(helper.get(), SHUT_RDWR); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  mpi::Communicator training;  ///< a duplicate, for comparison only
  FileDescriptor helper;       ///< socket to this node's helper rank
  bool busy = false;           ///< the helper rank serves a Checkpointer
};

std::shared_ptr<Kept>& kept() {
  static std::shared_ptr<Kept> instance;
  return instance;
}
bool& called() {
  static bool flag = false;
  return flag;
}

std::string meeting_point(const std::string& nonce) {
  return fmt::format("holdfast-reserved-{}", nonce);
}

/// What every rank of a reservation knows.
struct Group {
  mpi::Communicator world, node;
  std::string nonce;

  [[nodiscard]] bool is_helper() const { return node.rank() == node.size() - 1; }
};

void require_two_ranks(const Group& group) {
  if (group.node.size() < 2)
    throw Error(
        ErrorCode::launch,
        fmt::format("node {} has a single rank, which cannot both train and help; start one more rank on each node",
                    mpi::processor_name()),
        {.host = host_name()});
}

/// True if the process at the other end belongs to this user and knows the nonce. Logs why it does not.
bool is_invited(int socket, const std::string& nonce, Deadline deadline) {
  const Deadline patience = deadline.or_within(Seconds(introduction_timeout_s));
  pollfd readable{socket, POLLIN, 0};
  while (poll(&readable, 1, patience.poll_ms()) <= 0)
    if (patience.over()) return false;
  Bytes packet;
  if (transport::receive_packet(socket, packet) != transport::Arrival::packet) return false;
  try {
    transport::require_nonce(transport::read_introduction(packet, transport::peer_of(socket)), nonce);
    return true;
  } catch (const Error& error) {
    log::warning("somebody is refused: {}", error.what());
    return false;
  }
}

std::vector<ReservedHelper::Rank> receive_ranks(const Group& group, int listener) {
  const Deadline deadline{Seconds(meeting_timeout_s)};
  std::vector<ReservedHelper::Rank> ranks;
  while (ranks.size() + 1 < static_cast<std::size_t>(group.node.size())) {
    if (deadline.over())
      throw Error(ErrorCode::launch, "not all ranks of the node came to the helper", {.host = host_name()});
    pollfd somebody{listener, POLLIN, 0};
    if (poll(&somebody, 1, deadline.poll_ms()) <= 0) continue;
    FileDescriptor socket = transport::accept_on(listener);
    if (!socket || !is_invited(socket.get(), group.nonce, deadline)) continue;
    FileDescriptor process = transport::watch_process_of(socket.get());
    ranks.push_back({std::move(socket), std::move(process)});
  }
  return ranks;
}

FileDescriptor go_to_helper(const Group& group) {
  FileDescriptor socket = transport::connect_to(meeting_point(group.nonce), Deadline(Seconds(meeting_timeout_s)));
  if (transport::peer_of(socket.get()).uid != geteuid() ||
      !transport::send_packet(socket.get(), encode(transport::introduce(group.nonce, group.world.rank(), {}))))
    throw Error(ErrorCode::launch, "the helper rank of the node cannot be reached", {.host = host_name()});
  return socket;
}

/// Collective. The training ranks of each node connect to its helper rank.
Reservation meet(const Group& group) {
  FileDescriptor listener, helper;
  std::vector<ReservedHelper::Rank> ranks;
  mpi::all_or_none(group.world, [&] {
    if (group.is_helper()) listener = transport::listen_on(meeting_point(group.nonce));
  });
  mpi::all_or_none(group.world, [&] {
    if (group.is_helper())
      ranks = receive_ranks(group, listener.get());
    else
      helper = go_to_helper(group);
  });
  const mpi::Communicator part = group.world.split(group.is_helper() ? 1 : 0, group.world.rank());
  if (group.is_helper()) return {.training = {}, .helper = ReservedHelper(part.asleep(), std::move(ranks))};
  kept() = make_owned<Kept>(mpi::Communicator::duplicate(part.get()), std::move(helper));
  mpi::call_at_finalize([] { kept().reset(); });
  return {.training = part, .helper = std::nullopt};
}

class ReservedLauncher final : public HelperLauncher {
 public:
  explicit ReservedLauncher(Kept& kept) : kept_(kept) {}

  [[nodiscard]] std::string name() const override { return settings::in_words(Launcher::reserved_ranks); }

  [[nodiscard]] bool runs_program() const override { return false; }

  [[nodiscard]] std::string why_irreplaceable() const override {
    return "; nothing can take the place of a reserved helper rank, but Launcher::slurm_step and, under mpirun with "
           "recovery, "
           "Launcher::spawn can start new helpers";
  }

  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    mpi::all_or_none(comm, [&] {
      check(comm, request);
      if (request.placement.leader) send(request);
    });
    kept_.busy = true;
  }

  void give_up() noexcept override { kept_.busy = false; }

  /// The helper's process lives on and waits for the next order.
  [[nodiscard]] bool finish(transport::Connection& /*connection*/, Deadline /*deadline*/) noexcept override {
    kept_.busy = false;
    return true;
  }

 private:
  void check(const mpi::Communicator& comm, const StartRequest& request) const {
    const auto refuse = [](const std::string& sentence) {
      throw Error(ErrorCode::launch, sentence, {.host = host_name()});
    };
    if (!mpi::congruent(comm.get(), kept_.training.get()))
      refuse(
          "reserved helper ranks serve a Checkpointer on the whole communicator that reserve_helper_ranks() returned");
    if (kept_.busy) refuse("reserved helper ranks serve one Checkpointer at a time; close the other one first");
    if (request.placement.helper_ranks != request.placement.ranks_on_node)
      refuse("there is one reserved helper rank on each node; Options::ranks_per_helper asks for more");
  }

  void send(const StartRequest& request) const {
    const StartOrder order{.nonce = request.nonce,
                           .timeout_s = request.timeout_s,
                           .helper_timeout_s = request.helper_timeout_s,
                           .end_survivors = request.end_survivors};
    if (transport::is_cut(kept_.helper.get()) || !transport::send_packet(kept_.helper.get(), encode(order)))
      throw Error(ErrorCode::launch, "the reserved helper rank of this node is gone, and no other can take its place",
                  {.host = host_name()});
  }

  Kept& kept_;
};

}  // namespace

std::optional<StartOrder> ReservedHelper::next_order() {
  while (!ranks_.empty()) {
    std::vector<pollfd> events;
    for (const Rank& rank : ranks_) {
      events.push_back({rank.socket.get(), POLLIN, 0});
      events.push_back({rank.process.get(), POLLIN, 0});
    }
    if (poll(events.data(), events.size(), -1) <= 0) continue;
    Bytes packet;
    for (const Rank& rank : ranks_)
      if (transport::receive_packet(rank.socket.get(), packet) == transport::Arrival::packet)
        return decode<StartOrder>(packet);
    std::size_t at = 0;
    std::erase_if(ranks_, [&](const Rank& rank) {
      const bool ended = events[2 * at + 1].revents != 0;
      ++at;
      return ended || transport::is_cut(rank.socket.get());
    });
  }
  return std::nullopt;
}

Reservation reserve(MPI_Comm comm) {
  Group group{.world = mpi::Communicator::duplicate(comm), .node = {}, .nonce = {}};
  mpi::all_or_none(group.world, [&] {
    if (called()) throw Error(ErrorCode::invalid_state, "reserve_helper_ranks() can be called once in a program");
  });
  group.node = group.world.split_by_node();
  mpi::all_or_none(group.world, [&] { require_two_ranks(group); });
  if (group.world.rank() == 0) group.nonce = make_nonce();
  mpi::broadcast_value(group.world, group.nonce, 0);
  Reservation reservation = meet(group);
  called() = true;
  group.node.free();
  group.world.free();
  return reservation;
}

bool reserved() noexcept {
  return kept() != nullptr;
}

std::unique_ptr<HelperLauncher> make_reserved_launcher() {
  if (!reserved())
    throw Error(ErrorCode::invalid_state, "Launcher::reserved_ranks needs a call of reserve_helper_ranks() before",
                {.host = host_name()});
  return std::make_unique<ReservedLauncher>(*kept());
}

}  // namespace holdfast::launch
