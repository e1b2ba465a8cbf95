#pragma once

#include <holdfast/error.hpp>
#include <string>

#include "transport/messages.hpp"
#include "transport/socket.hpp"

namespace holdfast::transport {

/// What this process says of itself.
[[nodiscard]] Introduction introduce(std::string nonce, int rank, Bytes worker_address);

/// Reads the packet in which `peer` introduces itself. Throws Error(launch), the sentence of a refusal, if it is not from
/// this user or not of this protocol.
[[nodiscard]] Introduction read_introduction(const Bytes& packet, const Peer& peer);

/// Throws Error(launch) if `introduction` is not of the run that `nonce` names.
void require_nonce(const Introduction& introduction, const std::string& nonce);

}  // namespace holdfast::transport
