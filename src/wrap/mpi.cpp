#include "wrap/mpi.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace holdfast::mpi {
namespace {

std::vector<Bytes> sized(const std::vector<std::uint64_t>& sizes) {
  std::vector<Bytes> buffers(sizes.size());
  for (std::size_t r = 0; r < sizes.size(); ++r) buffers[r].resize(sizes[r]);
  return buffers;
}

/// The bytes [begin, begin + piece) of each rank's buffer, concatenated as the v-collectives expect them.
struct Round {
  std::vector<int> counts, offsets;
  Bytes bytes;

  Round(const std::vector<Bytes>& buffers, std::uint64_t begin, std::uint64_t piece) {
    int total = 0;
    for (const Bytes& buffer : buffers) {
      const std::uint64_t left = buffer.size() > begin ? buffer.size() - begin : 0;
      counts.push_back(static_cast<int>(std::min(left, piece)));
      offsets.push_back(total);
      total += counts.back();
    }
    bytes.resize(static_cast<std::size_t>(total));
  }
  void scatter(std::vector<Bytes>& buffers, std::uint64_t begin) const {
    for (std::size_t r = 0; r < buffers.size(); ++r)
      if (counts[r] > 0) std::copy_n(bytes.data() + offsets[r], counts[r], buffers[r].data() + begin);
  }
};

/// Grows with the time waited: the wait is at most a sixteenth too long, and a long wait takes hardly any CPU time.
Seconds pause_after(Seconds waited) {
  return std::clamp(waited / 16, Seconds(50e-6), Seconds(20e-3));
}

constexpr const char* io_variable = "OMPI_MCA_io";

/// Tries to open a file that exists everywhere. Sets `problem` if that fails.
bool can_open(std::string& problem) {
  try {
    MPI_File file = MPI_FILE_NULL;
    check(MPI_File_open(MPI_COMM_SELF, "/dev/null", MPI_MODE_RDONLY, MPI_INFO_NULL, &file), "MPI_File_open");
    check(MPI_File_close(&file), "MPI_File_close");
    return true;
  } catch (const Error& error) {
    problem = error.message();
    return false;
  }
}

/// How mpirun is told to keep a job alive when one of its processes dies: its option, and the variable in which it
/// passes it on.
struct Recovery {
  const char* variable;
  const char* option;
};

/// Each version of Open MPI ignores the options of the other.
Recovery recovery() noexcept {
  const int version = open_mpi_version();
  if (version == 4) return {"OMPI_MCA_orte_enable_recovery", "--enable-recovery"};
  if (version >= 5) return {"OMPI_MCA_mpi_ft_enable", "--with-ft ulfm"};
  return {"", ""};
}

/// Throws for hints that MPI would end the program for.
void check_hint(const std::string& key, const std::string& value) {
  const auto fits = [](const std::string& text, std::size_t most) {
    return !text.empty() && text.size() < most && text.find('\0') == text.npos;
  };
  if (!fits(key, MPI_MAX_INFO_KEY) || !fits(value, MPI_MAX_INFO_VAL))
    throw Error(ErrorCode::invalid_argument,
                "\"" + key + "=" + value + "\" is no hint that MPI takes: a key has 1 to " +
                    std::to_string(MPI_MAX_INFO_KEY - 1) + " characters, a value 1 to " +
                    std::to_string(MPI_MAX_INFO_VAL - 1),
                {.host = host_name()});
}

/// Throws for states that MPI would end the program for, as far as they can be queried.
void check_usable(MPI_Comm comm) {
  int begun = 0, ended = 0, between = 0;
  check(MPI_Initialized(&begun), "MPI_Initialized");
  check(MPI_Finalized(&ended), "MPI_Finalized");
  if (begun == 0) throw Error(ErrorCode::invalid_state, "MPI_Init has not been called yet", {.host = host_name()});
  if (ended != 0) throw Error(ErrorCode::invalid_state, "MPI_Finalize has been called already", {.host = host_name()});
  if (comm == MPI_COMM_NULL)
    throw Error(ErrorCode::invalid_argument, "the communicator is MPI_COMM_NULL", {.host = host_name()});
  check(MPI_Comm_test_inter(comm, &between), "MPI_Comm_test_inter");
  if (between != 0)
    throw Error(ErrorCode::invalid_argument, "the communicator is one between two groups (an intercommunicator)",
                {.host = host_name()});
}

std::uint64_t piece_bytes(std::size_t round_bytes, int ranks) {
  return std::max<std::uint64_t>(1, round_bytes / static_cast<std::size_t>(ranks));
}

}  // namespace

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING + 1> text{};
  int length = 0;
  if (MPI_Error_string(status, text.data(), &length) != MPI_SUCCESS) length = 0;
  throw Error(ErrorCode::communication, std::string(call) + ": " + (length > 0 ? text.data() : "unknown MPI error"),
              {.host = host_name()});
}

void initialize() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  MPI_Comm parents = MPI_COMM_NULL;
  check(MPI_Comm_get_parent(&parents), "MPI_Comm_get_parent");
  if (parents != MPI_COMM_NULL) check(MPI_Comm_disconnect(&parents), "MPI_Comm_disconnect");
}

bool threads_may_call() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Query_thread(&provided), "MPI_Query_thread");
  return provided == MPI_THREAD_MULTIPLE;
}

int open_mpi_version() noexcept {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING + 1> text{};
  int length = 0, version = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return 0;
  return std::sscanf(text.data(), "Open MPI v%d", &version) == 1 ? version : 0;
}

bool job_outlives_a_process() noexcept {
  const char* text = std::getenv(recovery().variable);
  const std::string_view value = text != nullptr ? text : "";
  return !value.empty() && value != "0" && value != "false" && value != "no";
}

std::string outliving_option() {
  return recovery().option;
}

void finalize() noexcept {
  MPI_Finalize();
}

Info::Info(const Hints& hints) {
  for (const auto& [key, value] : hints) check_hint(key, value);
  check(MPI_Info_create(&info_), "MPI_Info_create");
  for (const auto& [key, value] : hints) check(MPI_Info_set(info_, key.c_str(), value.c_str()), "MPI_Info_set");
}

Info::~Info() {
  if (info_ != MPI_INFO_NULL) MPI_Info_free(&info_);
}

Hints Info::hints() const {
  Hints hints;
  int count = 0;
  check(MPI_Info_get_nkeys(info_, &count), "MPI_Info_get_nkeys");
  for (int n = 0; n < count; ++n) {
    std::array<char, MPI_MAX_INFO_KEY + 1> key{};
    std::array<char, MPI_MAX_INFO_VAL + 1> value{};
    int found = 0;
    check(MPI_Info_get_nthkey(info_, n, key.data()), "MPI_Info_get_nthkey");
    check(MPI_Info_get(info_, key.data(), MPI_MAX_INFO_VAL, value.data(), &found), "MPI_Info_get");
    hints.emplace_back(key.data(), value.data());
  }
  return hints;
}

void choose_io(const std::string& component) {
  static std::string problem;  // kept, as Open MPI 4.1 crashes at the second attempt
  static const bool works = [&] {
    if (!component.empty()) setenv(io_variable, component.c_str(), 1);
    return can_open(problem);
  }();
  const auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, message + " (Options::mpi_io_component, HOLDFAST_MPI_IO)",
                {.host = host_name()});
  };
  if (!works) refuse("MPI-IO does not work with the component \"" + chosen_io() + "\": " + problem);
  if (!component.empty() && component != chosen_io())
    refuse("MPI-IO works with the component \"" + chosen_io() + "\" in this process already, so it cannot be \"" +
           component + "\"");
}

std::string chosen_io() {
  const char* component = std::getenv(io_variable);
  return component != nullptr && *component != '\0' ? component : "default";
}

void create_file(const std::string& path, const Hints& hints) {
  const Info info(hints);
  MPI_File file = MPI_FILE_NULL;
  check(MPI_File_open(MPI_COMM_SELF, path.c_str(), MPI_MODE_CREATE | MPI_MODE_WRONLY, info.get(), &file),
        "MPI_File_open");
  check(MPI_File_close(&file), "MPI_File_close");
}

Hints hints_of(MPI_File file) {
  MPI_Info info = MPI_INFO_NULL;
  check(MPI_File_get_info(file, &info), "MPI_File_get_info");
  return Info(info).hints();
}

std::string processor_name() {
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
  return name;
}

bool congruent(MPI_Comm a, MPI_Comm b) {
  int result = MPI_UNEQUAL;
  check(MPI_Comm_compare(a, b, &result), "MPI_Comm_compare");
  return result == MPI_IDENT || result == MPI_CONGRUENT;
}

void call_at_finalize(void (*call)()) {
  // MPI_Finalize deletes the attributes of MPI_COMM_SELF first. The attribute's value is the function to call.
  const auto on_delete = [](MPI_Comm, int, void* function, void*) {
    reinterpret_cast<void (*)()>(function)();
    return MPI_SUCCESS;
  };
  int key = MPI_KEYVAL_INVALID;
  check(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, nullptr), "MPI_Comm_create_keyval");
  check(MPI_Comm_set_attr(MPI_COMM_SELF, key, reinterpret_cast<void*>(call)), "MPI_Comm_set_attr");
  check(MPI_Comm_free_keyval(&key), "MPI_Comm_free_keyval");
}

Communicator Communicator::duplicate(MPI_Comm comm) {
  check_usable(comm);
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(comm, &copy), "MPI_Comm_dup");
  return own(copy);
}

Communicator Communicator::own(MPI_Comm comm) {
  Communicator result;
  result.comm_ = comm;
  if (comm == MPI_COMM_NULL) return result;
  check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(comm, &result.rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(comm, &result.size_), "MPI_Comm_size");
  return result;
}

Communicator Communicator::split_by_node() const {
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &part), "MPI_Comm_split_type");
  return own(part);
}

Communicator Communicator::split(int color, int key) const {
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split(comm_, color, key, &part), "MPI_Comm_split");
  return own(part);
}

Communicator Communicator::asleep() const noexcept {
  Communicator copy = *this;
  copy.waiting_ = Waiting::asleep;
  return copy;
}

void Communicator::meet() const {
  if (waiting_ == Waiting::spinning || size_ == 1) return;
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ibarrier(comm_, &request), "MPI_Ibarrier");
  const Stopwatch waited;
  for (;;) {
    int done = 0;
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return;
    std::this_thread::sleep_for(pause_after(Seconds(waited.seconds())));
  }
}

void Communicator::barrier() const {
  meet();
  check(MPI_Barrier(comm_), "MPI_Barrier");
}

void Communicator::allreduce(std::span<std::int64_t> values, MPI_Op op) const {
  meet();
  check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T, op, comm_),
        "MPI_Allreduce");
}

void Communicator::allreduce(std::span<std::uint64_t> values, MPI_Op op) const {
  meet();
  check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_UINT64_T, op, comm_),
        "MPI_Allreduce");
}

std::uint64_t Communicator::exclusive_sum(std::uint64_t value) const {
  meet();
  std::uint64_t sum = 0;
  check(MPI_Exscan(&value, &sum, 1, MPI_UINT64_T, MPI_SUM, comm_), "MPI_Exscan");
  return rank_ == 0 ? 0 : sum;
}

void Communicator::broadcast(Bytes& bytes, int root) const {
  meet();
  std::uint64_t size = bytes.size();
  check(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm_), "MPI_Bcast");
  bytes.resize(size);
  for (std::uint64_t begin = 0; begin < size; begin += max_round_bytes) {
    const auto count = static_cast<int>(std::min<std::uint64_t>(size - begin, max_round_bytes));
    check(MPI_Bcast(bytes.data() + begin, count, MPI_BYTE, root, comm_), "MPI_Bcast");
  }
}

std::vector<Bytes> Communicator::all_gather(const Bytes& bytes, std::size_t round_bytes) const {
  meet();
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size_));
  const std::uint64_t own_size = bytes.size();
  check(MPI_Allgather(&own_size, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, comm_), "MPI_Allgather");
  std::vector<Bytes> in = sized(sizes);
  const std::uint64_t end = std::ranges::max(sizes);
  const std::uint64_t piece = piece_bytes(round_bytes, size_);
  for (std::uint64_t begin = 0; begin < end; begin += piece) {
    Round received(in, begin, piece);
    const std::byte* first = bytes.data() + std::min(begin, own_size);
    check(MPI_Allgatherv(first, received.counts[static_cast<std::size_t>(rank_)], MPI_BYTE, received.bytes.data(),
                         received.counts.data(), received.offsets.data(), MPI_BYTE, comm_),
          "MPI_Allgatherv");
    received.scatter(in, begin);
  }
  return in;
}

std::vector<std::uint64_t> Communicator::all_gather(std::span<const std::uint64_t> values) const {
  meet();
  const auto count = static_cast<int>(values.size());
  std::vector<std::uint64_t> all(values.size() * static_cast<std::size_t>(size_));
  check(MPI_Allgather(values.data(), count, MPI_UINT64_T, all.data(), count, MPI_UINT64_T, comm_), "MPI_Allgather");
  return all;
}

void Communicator::free() {
  if (comm_ == MPI_COMM_NULL) return;
  check(MPI_Comm_free(&comm_), "MPI_Comm_free");
  *this = {};
}

bool Communicator::is_part_of(const Communicator& whole) const {
  MPI_Group part = MPI_GROUP_NULL, all = MPI_GROUP_NULL, outside = MPI_GROUP_NULL;
  check(MPI_Comm_group(comm_, &part), "MPI_Comm_group");
  check(MPI_Comm_group(whole.comm_, &all), "MPI_Comm_group");
  check(MPI_Group_difference(part, all, &outside), "MPI_Group_difference");
  int count = 0;
  check(MPI_Group_size(outside, &count), "MPI_Group_size");
  for (MPI_Group* group : {&part, &all, &outside})
    if (*group != MPI_GROUP_EMPTY) check(MPI_Group_free(group), "MPI_Group_free");
  return count == 0;
}

void agree(const Communicator& comm, const std::optional<Error>& error) {
  std::int64_t first = error ? comm.rank() : comm.size();
  comm.allreduce(std::span(&first, 1), MPI_MIN);
  if (first == comm.size()) return;
  ErrorRecord record;
  if (first == comm.rank()) {
    record = to_record(*error);
    if (record.rank < 0 && comm.names_ranks() && (record.host.empty() || record.host == host_name()))
      record.rank = comm.rank();
  }
  broadcast_value(comm, record, static_cast<int>(first));
  throw to_error(record);
}

}  // namespace holdfast::mpi
