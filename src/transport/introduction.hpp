#pragma once

#include <holdfast/error.hpp>
#include <string>

#include "transport/messages.hpp"
#include "transport/socket.hpp"

namespace holdfast::transport {

/// Returns this process's introduction.
[[nodiscard]] Introduction introduce(std::string nonce, int rank, Bytes worker_address);

/// Decodes the packet in which `peer` introduces itself. Throws Error(launch), with the text of the refusal, if the
/// peer belongs to another user or speaks another protocol.
[[nodiscard]] Introduction read_introduction(const Bytes& packet, const Peer& peer);

/// Throws Error(launch) if `introduction` is not of the run that `nonce` names.
void require_nonce(const Introduction& introduction, const std::string& nonce);

}  // namespace holdfast::transport
