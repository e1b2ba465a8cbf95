#pragma once

#include <mpi.h>

#include <cstdint>
#include <holdfast/error.hpp>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/codec.hpp"
#include "base/error_text.hpp"

/// One thin checked function per MPI call; failures throw Error(communication). Above this layer nobody checks a return code.
namespace holdfast::mpi {

/// Throws Error(communication) "MPI_Xyz: <MPI's text>" unless `status` is MPI_SUCCESS.
void check(int status, const char* call);

/// MPI_Init with MPI_THREAD_MULTIPLE if it can be had, for a program of ours; a world that spawned it is let go at once.
/// Collective.
void initialize();
/// Local. May several threads call MPI at once?
[[nodiscard]] bool threads_may_call();
/// Local. Open MPI's major version, 0 for another MPI. The one that runs: programs that were compiled with 4 run with 5.
[[nodiscard]] int open_mpi_version() noexcept;
/// Local. Was mpirun told to let the job live when one of its processes dies?
[[nodiscard]] bool job_outlives_a_process() noexcept;
/// Local. The option that tells it so; empty for an MPI of which none is known.
[[nodiscard]] std::string outliving_option();
/// Collective. For programs of ours; what fails is too late to matter.
void finalize() noexcept;
/// Local. What MPI calls the node that this process runs on.
[[nodiscard]] std::string processor_name();
/// Local. Have the two the same members in the same order?
[[nodiscard]] bool congruent(MPI_Comm a, MPI_Comm b);
/// Local. Has `call` called when MPI_Finalize begins, while MPI still works (MPI 3.1, 8.7.1). It must not throw.
void call_at_finalize(void (*call)());

/// Keys and values of an MPI_Info.
using Hints = std::vector<std::pair<std::string, std::string>>;

class Info {
 public:
  /// Throws Error(invalid_argument) for keys and values that are empty or too long for MPI.
  explicit Info(const Hints& hints);
  /// Takes over an MPI_Info that the caller would have had to free.
  explicit Info(MPI_Info info) noexcept : info_(info) {}
  ~Info();
  Info(Info&& other) noexcept : info_(std::exchange(other.info_, MPI_INFO_NULL)) {}
  Info& operator=(Info&&) = delete;

  [[nodiscard]] MPI_Info get() const noexcept { return info_; }
  [[nodiscard]] Hints hints() const;

 private:
  MPI_Info info_ = MPI_INFO_NULL;
};

/// Local, before the first file is opened: the MPI-IO component of Open MPI ("ompio", "romio321"), which is chosen once in a
/// process; empty: MPI's own choice. Other MPIs have none, and take no notice. Throws Error(invalid_argument) if MPI-IO does not
/// work with it, or with another one already.
void choose_io(const std::string& component);
/// Local. What was chosen, be it by the environment of Open MPI; "default" where MPI chooses.
[[nodiscard]] std::string chosen_io();
/// Local. Makes an empty file through MPI-IO, which is how hints about striping take effect. One that is there stays.
void create_file(const std::string& path, const Hints& hints);
/// Local. What MPI-IO makes of the hints for an open file. Open MPI 4.1 says back what it was given.
[[nodiscard]] Hints hints_of(MPI_File file);

/// How a process waits for the others of a communicator. MPI spins, which is right between ranks that compute in step; a
/// helper would take a core from training while it waits for a slower one, so it sleeps and looks again.
enum class Waiting { spinning, asleep };

/// A communicator of our own, with MPI_ERRORS_RETURN. free() is collective and explicit; the destructor is silent and leaks
/// a communicator that was not freed, as a destructor must not communicate. A copy borrows: free only one.
class Communicator {
 public:
  static constexpr std::size_t max_round_bytes = std::numeric_limits<int>::max();

  Communicator() = default;
  /// Collective over `comm`. Throws Error(invalid_argument) for MPI_COMM_NULL and intercommunicators, Error(invalid_state) before
  /// MPI_Init and after MPI_Finalize.
  static Communicator duplicate(MPI_Comm comm);
  /// Takes over a communicator that the caller would have had to free.
  static Communicator own(MPI_Comm comm);

  [[nodiscard]] MPI_Comm get() const noexcept { return comm_; }
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }

  /// Collective: ranks of the same node (MPI_COMM_TYPE_SHARED).
  [[nodiscard]] Communicator split_by_node() const;
  [[nodiscard]] Communicator split(int color, int key) const;
  /// Local: the same communicator for a helper, which waits asleep, and whose number is no rank of the program.
  [[nodiscard]] Communicator asleep() const noexcept;
  /// Are its ranks those that errors name?
  [[nodiscard]] bool names_ranks() const noexcept { return waiting_ == Waiting::spinning; }
  void barrier() const;
  /// Waiting::asleep: returns when all have called it, having slept meanwhile; after it a collective call has nobody to wait
  /// for. The members below begin with it; call it before other collective calls. Waiting::spinning: does nothing.
  void meet() const;
  void allreduce(std::span<std::int64_t> values, MPI_Op op) const;
  void allreduce(std::span<std::uint64_t> values, MPI_Op op) const;
  [[nodiscard]] std::uint64_t exclusive_sum(std::uint64_t value) const;  ///< 0 on rank 0
  void broadcast(Bytes& bytes, int root) const;                          ///< resizes on the others
  /// Sizes may be anything: the bytes travel in as many rounds as it takes to move no more than `round_bytes` at once through
  /// any rank.
  [[nodiscard]] std::vector<Bytes> all_gather(const Bytes& bytes, std::size_t round_bytes = max_round_bytes) const;
  /// As many numbers from each rank, in the order of ranks; in one call of MPI.
  [[nodiscard]] std::vector<std::uint64_t> all_gather(std::span<const std::uint64_t> values) const;
  void free();
  /// Local. Are all ranks of this communicator in the other one, too?
  [[nodiscard]] bool is_part_of(const Communicator& whole) const;

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = -1;
  int size_ = 0;
  Waiting waiting_ = Waiting::spinning;
};

template <class T>
void broadcast_value(const Communicator& comm, T& value, int root) {
  Bytes bytes = comm.rank() == root ? encode(value) : Bytes{};
  comm.broadcast(bytes, root);
  value = decode<T>(bytes);
}

/// Collective: if any rank has an error, all throw that of the lowest such rank; else returns. The rank is filled in where the error
/// happened on its host: what it has heard of another one, such as a helper's end, is not its own.
void agree(const Communicator& comm, const std::optional<Error>& error);

/// What a rank does by itself between collective calls. One that has failed goes on without doing anything, so that nobody waits
/// for it in vain, until all look at their failures together.
class LocalWork {
 public:
  template <class Function>
  void operator()(Function&& function) {
    if (error_) return;
    try {
      function();
    } catch (...) {
      error_ = current_error();
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  std::optional<Error> error_;
};

/// Runs `local` on every rank and agrees on its outcome: the shape of every collective call here.
template <class Function>
void all_or_none(const Communicator& comm, Function&& local) {
  LocalWork work;
  work(local);
  agree(comm, work.error());
}

}  // namespace holdfast::mpi
