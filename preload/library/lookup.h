// What the agent has to say about a name, asked over its socket: which names may be looked up, which addresses are the
// answer; and the report of what a lookup brought. Not on the signal-safe path: getaddrinfo's is not either.
#pragma once

#include <cstddef>
#include <span>

#include "preload/library/agent_socket.h"
#include "preload/library/state.h"
#include "shared/net/address.h"

namespace egress {

struct LookupReply {
  AgentReply reply;
  alignas(8) char body[kMaxReplyBytes];
  const char* queries[kMaxLookupQueries];  // into body
  std::size_t query_count = 0;
  std::span<const Address> addresses;  // into body
};

enum class LookupOutcome {
  kAnswered,
  kRefused,      // the agent answered that it will not
  kUnavailable,  // no agent, or no usable answer; `why` says
};

LookupOutcome ask_name(State& state, const char* name, int family, LookupReply& into, TextLine& why) noexcept;

// Returns once the bindings are in place for every process of the session.
LookupOutcome bind_name(State& state, const char* name, std::span<const Address> addresses, TextLine& why) noexcept;

// Fills in queries and addresses from what was received; false if it is not a lookup's reply. Exposed for its test.
bool decode_lookup(LookupReply& reply) noexcept;

}  // namespace egress
