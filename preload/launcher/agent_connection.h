// The client's side of the agent's socket for the CLI and the launcher: one request, one reply. The library in
// workloads has its own, which may allocate nothing.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/session/protocol.h"

namespace egress {

struct AgentReply {
  ReplyHeader header;
  std::string body;
  std::vector<UniqueFd> descriptors;
};

std::string encode_request(RequestKind kind, const std::array<std::string, kHelloFieldCount>& fields);

// kNotFound if nobody listens at `socket_path`, kUnavailable if there is no answer in time, kCorrupt if it is not one.
// `descriptor` goes along with the request; -1: none.
Expected<AgentReply> ask_agent(const std::filesystem::path& socket_path, const std::string& request,
                               std::chrono::milliseconds deadline, int descriptor = -1);

// The status JSON. Errors as ask_agent().
Expected<std::string> fetch_status(const std::filesystem::path& socket_path);

// Hands a policy file's text over, as a workload in `namespace_path` is to read it. Returns the name that processes say
// hello with, in place of a server. Errors as ask_agent(); kInvalidArgument if the agent refuses it.
Expected<std::string> register_policy(const std::filesystem::path& socket_path, const std::string& text,
                                      const std::string& namespace_path);

}  // namespace egress
