#include "transport/introduction.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace holdfast::transport {
namespace {

Error refusal(std::string sentence) {
  return {ErrorCode::launch, std::move(sentence), {.host = host_name()}};
}

Introduction decode_packet(const Bytes& packet) {
  try {
    return decode<Introduction>(packet);
  } catch (const Error&) {
    throw refusal("what came over the socket is not an introduction of this version");
  }
}

/// Compares in a time that does not depend on the content, so that a nonce cannot be guessed piece by piece.
bool equal(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

Introduction introduce(std::string nonce, int rank, Bytes worker_address) {
  return {.protocol = protocol_version,
          .nonce = std::move(nonce),
          .rank = rank,
          .pid = getpid(),
          .host = host_name(),
          .worker_address = std::move(worker_address),
          .refusal = {}};
}

Introduction read_introduction(const Bytes& packet, const Peer& peer) {
  if (peer.uid != geteuid())
    throw refusal(fmt::format("the process at the other end belongs to user {}, not {}", peer.uid, geteuid()));
  Introduction introduction = decode_packet(packet);
  if (introduction.protocol != protocol_version)
    throw refusal(
        fmt::format("the other end speaks protocol {}, this one {}", introduction.protocol, protocol_version));
  return introduction;
}

void require_nonce(const Introduction& introduction, const std::string& nonce) {
  if (!equal(introduction.nonce, nonce)) throw refusal("the nonce is not that of this run");
}

}  // namespace holdfast::transport
