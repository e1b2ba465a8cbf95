// A helper whose memory no rank can map: automatic falls back to put, mapped is an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "transport/channel.hpp"
#include "transport/introduction.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

/// Memory that UCX knows but cannot share: plain pages of this process. Remote keys of it reach it by messages alone.
class PlainMemory {
 public:
  PlainMemory(std::shared_ptr<const ucx::Context> context, std::size_t bytes)
      : context_(std::move(context)), bytes_(bytes) {
    ucp_mem_map_params_t params{};
    params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
    params.address = bytes_.data();
    params.length = bytes_.size();
    ucx::check(ucp_mem_map(context_->get(), &params, &memory_), "ucp_mem_map");
  }
  ~PlainMemory() { ucp_mem_unmap(context_->get(), memory_); }
  PlainMemory(const PlainMemory&) = delete;
  PlainMemory& operator=(const PlainMemory&) = delete;

  [[nodiscard]] ArenaReady ready() const {
    void* key = nullptr;
    std::size_t size = 0;
    ucx::check(ucp_rkey_pack(context_->get(), memory_, &key, &size), "ucp_rkey_pack");
    const auto* first = static_cast<const std::byte*>(key);
    ArenaReady ready{.slot = 0,
                     .bytes = bytes_.size(),
                     .address = reinterpret_cast<std::uint64_t>(bytes_.data()),
                     .remote_key = Bytes(first, first + size)};
    ucp_rkey_buffer_release(key);
    return ready;
  }
  [[nodiscard]] const Bytes& bytes() const noexcept { return bytes_; }

 private:
  std::shared_ptr<const ucx::Context> context_;
  Bytes bytes_;
  ucp_mem_h memory_ = nullptr;
};

/// Lets one rank in and moves its line on, in a thread of its own.
class PlainHelper {
 public:
  explicit PlainHelper(const Address& address)
      : listener_(listen_on(address.socket_name)), thread_([this, address] { serve(address); }) {}
  ~PlainHelper() {
    stop_ = true;
    thread_.join();
  }
  PlainHelper(const PlainHelper&) = delete;
  PlainHelper& operator=(const PlainHelper&) = delete;

  [[nodiscard]] const PlainMemory& memory() const noexcept { return memory_; }

 private:
  void serve(const Address& address) {
    await(listener_.get());
    const FileDescriptor socket = accept_on(listener_.get());
    await(socket.get());
    Bytes packet;
    receive_packet(socket.get(), packet);
    const Introduction rank = read_introduction(packet, peer_of(socket.get()));
    Channel channel(context_);
    channel.connect(rank.worker_address);
    send_packet(socket.get(), encode(introduce(address.nonce, rank.rank, channel.address())));
    while (!stop_)
      if (!channel.worker().progress()) std::this_thread::yield();
  }
  static void await(int socket) {
    pollfd event{socket, POLLIN, 0};
    if (poll(&event, 1, 20'000) != 1) throw Error(ErrorCode::timeout, "no rank came");
  }

  std::shared_ptr<const ucx::Context> context_ = std::make_shared<const ucx::Context>();
  PlainMemory memory_{context_, (20 << 20) + 5};
  FileDescriptor listener_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(Fallback, OfAutomaticIsPut) {
  const Address address = unique_address();
  const PlainHelper helper(address);
  const auto connection = connect(address, 0, Transport::automatic, soon());
  EXPECT_EQ(connection->transport(), Transport::mapped);
  testing::internal::CaptureStderr();
  const auto arena = connection->map(helper.memory().ready());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("cannot be mapped"));
  EXPECT_EQ(connection->transport(), Transport::put);

  std::fill(arena->memory().begin(), arena->memory().end(), std::byte{42});
  arena->deliver(arena->memory().size(), soon());
  EXPECT_EQ(helper.memory().bytes(), Bytes(arena->memory().size(), std::byte{42}));
}

TEST(Fallback, OfMappedIsNone) {
  const Address address = unique_address();
  const PlainHelper helper(address);
  const auto connection = connect(address, 0, Transport::mapped, soon());
  try {
    static_cast<void>(connection->map(helper.memory().ready()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::communication);
    EXPECT_THAT(error.message(), testing::HasSubstr("cannot be mapped"));
  }
}

}  // namespace
}  // namespace holdfast::transport::test
