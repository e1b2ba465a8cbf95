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

/// One thin checked function per MPI call. Failures throw Error(communication); code above this layer checks no return
/// codes.
namespace holdfast::mpi {

/// Throws Error(communication) "MPI_Xyz: <MPI's text>" unless `status` is MPI_SUCCESS.
void check(int status, const char* call);

/// Collective. MPI_Init for our own programs, with MPI_THREAD_MULTIPLE if MPI offers it. Disconnects from the parent
/// job if the program was spawned.
void initialize();
/// Local. Whether several threads may call MPI at once.
[[nodiscard]] bool threads_may_call();
/// Local. The major version of the Open MPI that runs, 0 for another MPI. Programs compiled with version 4 run with 5.
[[nodiscard]] int open_mpi_version() noexcept;
/// Local. Whether mpirun was told to keep the job alive when one of its processes dies.
[[nodiscard]] bool job_outlives_a_process() noexcept;
/// Local. The option of mpirun for that; empty if none is known for this MPI.
[[nodiscard]] std::string outliving_option();
/// Collective. MPI_Finalize for our own programs; ignores errors.
void finalize() noexcept;
/// Local. MPI's name of the node that this process runs on.
[[nodiscard]] std::string processor_name();
/// Local. Whether both communicators have the same members in the same order.
[[nodiscard]] bool congruent(MPI_Comm a, MPI_Comm b);
/// Local. Registers a function that is called when MPI_Finalize begins, while MPI still works (MPI 3.1, 8.7.1). It must
/// not throw.
void call_at_finalize(void (*call)());

/// Keys and values of an MPI_Info.
using Hints = std::vector<std::pair<std::string, std::string>>;

class Info {
 public:
  /// Throws Error(invalid_argument) if a key or value is empty or too long for MPI.
  explicit Info(const Hints& hints);
  /// Takes ownership of `info`.
  explicit Info(MPI_Info info) noexcept : info_(info) {}
  ~Info();
  Info(Info&& other) noexcept : info_(std::exchange(other.info_, MPI_INFO_NULL)) {}
  Info& operator=(Info&&) = delete;

  [[nodiscard]] MPI_Info get() const noexcept { return info_; }
  [[nodiscard]] Hints hints() const;

 private:
  MPI_Info info_ = MPI_INFO_NULL;
};

/// Local. Chooses Open MPI's MPI-IO component ("ompio", "romio321"), once per process and before the first file is
/// opened; empty leaves the choice to MPI. Other MPIs have no components and ignore it. Throws Error(invalid_argument)
/// if MPI-IO does not work with the component, or already works with another one.
void choose_io(const std::string& component);
/// Local. The component chosen by choose_io() or by Open MPI's environment; "default" if MPI chooses.
[[nodiscard]] std::string chosen_io();
/// Local. Makes an empty file through MPI-IO, so that hints about striping take effect. Keeps an existing file.
void create_file(const std::string& path, const Hints& hints);
/// Local. The hints in force for an open file. Open MPI 4.1 returns the hints that it was given.
[[nodiscard]] Hints hints_of(MPI_File file);

/// How a process waits for the others of a communicator. MPI spins, which suits ranks that compute in step. A helper
/// that spins would take a core from training while it waits for a slower helper, so it sleeps and polls.
enum class Waiting { spinning, asleep };

/// A communicator of our own, with MPI_ERRORS_RETURN. free() is collective and explicit. A destructor must not
/// communicate, so it leaks a communicator that was not freed. Copies borrow: free only one.
class Communicator {
 public:
  static constexpr std::size_t max_round_bytes = std::numeric_limits<int>::max();

  Communicator() = default;
  /// Collective over `comm`. Throws Error(invalid_argument) for MPI_COMM_NULL and intercommunicators,
  /// Error(invalid_state) before MPI_Init and after MPI_Finalize.
  static Communicator duplicate(MPI_Comm comm);
  /// Takes ownership of `comm`.
  static Communicator own(MPI_Comm comm);

  [[nodiscard]] MPI_Comm get() const noexcept { return comm_; }
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }

  /// Collective. The ranks of the same node (MPI_COMM_TYPE_SHARED).
  [[nodiscard]] Communicator split_by_node() const;
  /// Collective. MPI_Comm_split.
  [[nodiscard]] Communicator split(int color, int key) const;
  /// Local. The same communicator for a helper: it waits asleep, and its number is not a rank of the program.
  [[nodiscard]] Communicator asleep() const noexcept;
  /// Local. Whether errors name this communicator's ranks.
  [[nodiscard]] bool names_ranks() const noexcept { return waiting_ == Waiting::spinning; }
  void barrier() const;
  /// Collective. With Waiting::asleep, sleeps until all ranks have called it; the next collective call then waits for
  /// nobody. The members below begin with it; call it before other collective calls. With Waiting::spinning, does
  /// nothing.
  void meet() const;
  void allreduce(std::span<std::int64_t> values, MPI_Op op) const;
  void allreduce(std::span<std::uint64_t> values, MPI_Op op) const;
  [[nodiscard]] std::uint64_t exclusive_sum(std::uint64_t value) const;  ///< sum over the ranks below; 0 on rank 0
  void broadcast(Bytes& bytes, int root) const;                          ///< resizes `bytes` on the other ranks
  /// Entry r of the result is rank r's `bytes`, of any size. Works in rounds that move at most `round_bytes` through
  /// any rank.
  [[nodiscard]] std::vector<Bytes> all_gather(const Bytes& bytes, std::size_t round_bytes = max_round_bytes) const;
  /// All ranks' values in the order of ranks, the same number from each, in one MPI call.
  [[nodiscard]] std::vector<std::uint64_t> all_gather(std::span<const std::uint64_t> values) const;
  void free();
  /// Local. Whether all ranks of this communicator are in `whole`.
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

/// Collective. If any rank has an error, all ranks throw the error of the lowest such rank. Its rank is filled in only
/// if comm.names_ranks() and the error is from the rank's host: an error from another host, such as a helper's, is not
/// the rank's own.
void agree(const Communicator& comm, const std::optional<Error>& error);

/// Local work of a rank between collective calls. After a failure it skips further work, so that the rank still makes
/// the collective calls that others wait in, until all ranks agree on their errors.
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

/// Collective. Runs `local` on every rank and agrees on the outcome.
template <class Function>
void all_or_none(const Communicator& comm, Function&& local) {
  LocalWork work;
  work(local);
  agree(comm, work.error());
}

}  // namespace holdfast::mpi
