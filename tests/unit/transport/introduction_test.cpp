// Who is let in, who is not, and that nobody can hold up the others.
#include "transport/introduction.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "transport/channel.hpp"
#include "transport/socket.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

using testing::HasSubstr;

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::internal, "no error"};
}

class Introductions : public testing::Test {
 protected:
  /// The helper's answer to `packet`; its refusal's sentence is empty if it let us in.
  [[nodiscard]] std::string refusal_of(const Bytes& packet) const {
    const FileDescriptor socket = connect_to(address.socket_name, soon());
    EXPECT_TRUE(send_packet(socket.get(), packet));
    return answer_on(socket.get());
  }
  static std::string answer_on(int socket) {
    pollfd event{socket, POLLIN, 0};
    Bytes answer;
    if (poll(&event, 1, 20'000) != 1 || receive_packet(socket, answer) != Arrival::packet) return "no answer";
    return decode<Introduction>(answer).refusal.message;
  }
  [[nodiscard]] bool serves() const {
    const auto connection = connect(address, 0, Transport::automatic, soon());
    connection->send(MessageType::plan, Bytes(10), soon());
    return connection->receive(soon()).has_value();
  }

  const Address address = unique_address();
  const std::unique_ptr<Process> helper = start_helper(address);
};

TEST_F(Introductions, WithAnotherNonceAreRefused) {
  const Error error = error_of([&] {
    static_cast<void>(connect({address.socket_name, "guess"}, 0, Transport::automatic, soon()));
  });
  EXPECT_EQ(error.code(), ErrorCode::launch);
  EXPECT_THAT(error.message(), HasSubstr("nonce"));
  EXPECT_TRUE(serves());
}

TEST_F(Introductions, OfAnotherProtocolAreRefused) {
  Introduction introduction = introduce(address.nonce, 0, {});
  introduction.protocol += 1;
  EXPECT_THAT(refusal_of(encode(introduction)), HasSubstr("protocol"));
  EXPECT_TRUE(serves());
}

TEST_F(Introductions, OfGarbageAreRefused) {
  EXPECT_THAT(refusal_of(Bytes(1, std::byte{7})), HasSubstr("not an introduction"));
  EXPECT_THAT(refusal_of(Bytes(5000, std::byte{0xff})), HasSubstr("not an introduction"));
  EXPECT_TRUE(serves());
}

TEST_F(Introductions, OfTooGreatALengthAreRefused) {
  EXPECT_THAT(refusal_of(Bytes(max_introduction_bytes + 1)), HasSubstr("too long"));
  EXPECT_TRUE(serves());
}

TEST_F(Introductions, ThatDoNotComeHoldUpNobodyAndAreRefusedInTime) {
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(connect_to(address.socket_name, soon()));
  const Stopwatch watch;
  EXPECT_TRUE(serves());
  EXPECT_LT(watch.seconds(), 2.0);
  for (const FileDescriptor& socket : silent) EXPECT_THAT(answer_on(socket.get()), HasSubstr("no introduction"));
}

TEST_F(Introductions, OfPeersThatLeaveAtOnceAreNothing) {
  for (int i = 0; i < 20; ++i) {
    const FileDescriptor socket = connect_to(address.socket_name, soon());
    if (i % 2 == 0) send_packet(socket.get(), encode(introduce(address.nonce, i, {})));
  }
  EXPECT_TRUE(serves());
}

TEST_F(Introductions, OfRanksThatDiedSinceAreNothing) {
  helper->signal(SIGSTOP);
  for (int i = 0; i < 5; ++i) {
    const FileDescriptor socket = connect_to(address.socket_name, soon());
    const Channel channel(
        std::make_shared<const ucx::Context>());  // gone with all its memory when the helper reads of it
    ASSERT_TRUE(send_packet(socket.get(), encode(introduce(address.nonce, i, channel.address()))));
  }
  helper->signal(SIGCONT);
  EXPECT_TRUE(serves());
}

TEST(Introduction, OfAnotherUserIsRefused) {
  const Bytes packet = encode(introduce("n", 0, {}));
  const Error error = error_of([&] { static_cast<void>(read_introduction(packet, {.pid = 1, .uid = geteuid() + 1})); });
  EXPECT_EQ(error.code(), ErrorCode::launch);
  EXPECT_THAT(error.message(), HasSubstr("belongs to user"));
}

/// The real thing, where this process may become somebody else.
TEST_F(Introductions, OfAProcessOfAnotherUserAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can start a process of another user";
  const std::string script =
      "import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.connect('\\0" + address.socket_name +
      "'); s.send(b'hello'); s.settimeout(20); print('answered' if b'belongs to user' in s.recv(65536) else 'let in')";
  Process stranger({"setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", script});
  EXPECT_EQ(stranger.next_line(), "answered");
  EXPECT_TRUE(serves());
}

TEST(Connect, WaitsForAHelperThatIsLate) {
  const Address address = unique_address();
  std::unique_ptr<Connection> connection;
  std::thread rank([&] { connection = connect(address, 0, Transport::automatic, soon()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // the first tries fail
  const auto helper = start_helper(address);
  rank.join();
  EXPECT_EQ(connection->helper_pid(), helper->pid());
}

TEST(Connect, GivesUpWhenNobodyListens) {
  const Stopwatch watch;
  const Error error =
      error_of([] { static_cast<void>(connect(unique_address(), 0, Transport::automatic, Deadline(Seconds(0.3)))); });
  EXPECT_EQ(error.code(), ErrorCode::launch);
  EXPECT_THAT(error.message(), HasSubstr("nobody listens"));
  EXPECT_LT(watch.seconds(), 2.0);
}

TEST(Connect, GivesUpOnAHelperThatNeverAnswers) {
  const Address address = unique_address();
  const auto helper = start_helper(address);
  helper->signal(SIGSTOP);
  const Error error =
      error_of([&] { static_cast<void>(connect(address, 0, Transport::automatic, Deadline(Seconds(0.3)))); });
  EXPECT_EQ(error.code(), ErrorCode::launch);
  EXPECT_THAT(error.message(), HasSubstr("in time"));
}

TEST(Connect, SaysWhenTheHelperDiesBeforeItAnswers) {
  const Address address = unique_address();
  const auto helper = start_helper(address);
  helper->signal(SIGSTOP);
  std::thread killer([&] { helper->kill(); });
  const Error error =
      error_of([&] { static_cast<void>(connect(address, 0, Transport::automatic, Deadline(Seconds(2)))); });
  killer.join();
  EXPECT_EQ(error.code(), ErrorCode::launch) << error.what();
}

TEST_F(Introductions, AHelperHearsThatARankDoesNotCome) {
  decline(address, 0, Error(ErrorCode::invalid_argument, "no such transport"));
  EXPECT_TRUE(helper->says("declined 0: no such transport"));
}

}  // namespace
}  // namespace holdfast::transport::test
