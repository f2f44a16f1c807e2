// The agent's socket protocol: SOCK_SEQPACKET at <runtime dir>/agent.sock, one request and one reply a connection, host
// byte order (both ends are one machine). The structures here need no library, because the workload's side composes
// them on the stack from signal handlers; the agent decodes with decode_request(), which believes nothing.
//
//   hello   who I am -> arena and ring descriptors (SCM_RIGHTS), and a line to show if there is no policy
//   lookup  a name about to be resolved -> query these names / use these addresses
//   bind    a name was resolved to these addresses -> they are in the arena now
//   status  -> one descriptor of a memfd that holds JSON
//   launch  this process becomes a command: it and its descendants are in the session of these fields -> its namespace
//   policy  a policy file for processes without a server, in a sealed memfd (SCM_RIGHTS) -> its name for EGRESS_SERVER
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "shared/base/error.h"
#include "shared/base/limits.h"
#include "shared/net/address.h"

namespace egress {

inline constexpr char kAgentSocketName[] = "agent.sock";
inline constexpr std::uint32_t kProtocolMagic = 0x51474545;  // "EEGQ"
inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kMaxRequestBytes = 64 * 1024;
inline constexpr std::size_t kMaxReplyBytes = 16 * 1024;
inline constexpr std::size_t kMaxFieldBytes = 32 * 1024;
inline constexpr std::size_t kMaxLookupQueries = 16;
inline constexpr std::size_t kMaxLookupAddresses = 256;

enum class RequestKind : std::uint16_t { kHello = 1, kLookup = 2, kBind = 3, kStatus = 4, kPolicy = 5, kLaunch = 6 };

// What a session is made of. For a bare preload each is the process's EGRESS_* variable, "" if unset.
enum class HelloField : std::size_t {
  kServer = 0,
  kNamespace,
  kWorkload,
  kLabels,
  kTarget,
  kToken,
  kResolve,
  kBundleKey,
  kCa,
  kCount,
};
inline constexpr std::size_t kHelloFieldCount = static_cast<std::size_t>(HelloField::kCount);

// Followed by the fields' bytes, back to back, in order. For kLookup and kBind only field 0 is used: the name; kBind
// then appends `address_count` Addresses.
struct RequestHeader {
  std::uint32_t magic = kProtocolMagic;
  std::uint16_t version = kProtocolVersion;
  std::uint16_t kind = 0;
  std::int32_t family = 0;          // kLookup: AF_UNSPEC, AF_INET or AF_INET6
  std::uint32_t address_count = 0;  // kBind
  std::uint32_t field_bytes[kHelloFieldCount] = {};
};
static_assert(sizeof(RequestHeader) == 16 + 4 * kHelloFieldCount);

enum class ReplyStatus : std::uint16_t {
  kOk = 0,
  kUnknownProcess = 1,  // no session for this process: say hello, then ask again
  kRefused = 2,         // malformed request or a limit reached; the text says which
};

// kHello: followed by `text_bytes` of text (not terminated): a line for a person when there is no policy, else nothing.
// kPolicy: followed by `text_bytes` of text: the policy's name.
// kLaunch: followed by `text_bytes` of text: the session's namespace, empty if only its token tells.
// kLookup: followed by `query_count` names, each terminated by NUL (text_bytes in all), then, at the next multiple of
// 8, by `address_count` Addresses.
struct ReplyHeader {
  std::uint32_t magic = kProtocolMagic;
  std::uint16_t version = kProtocolVersion;
  std::uint16_t status = 0;      // ReplyStatus
  std::uint64_t session_id = 0;  // kHello
  std::uint32_t text_bytes = 0;
  std::uint16_t query_count = 0;    // kLookup: absolute names to look up, in order, until one has addresses
  std::uint16_t address_count = 0;  // kLookup: the answer if there are no queries, or if all of them fail
  std::uint8_t no_policy = 0;       // kHello: NoPolicyCause
  std::uint8_t nested = 0;          // kLaunch: 1 if it is in the tree of another launch, whose session stays
  std::uint8_t reserved[6] = {};
};
static_assert(sizeof(ReplyHeader) == 32);

// Descriptors of a hello's reply, in order.
enum class HelloDescriptor : std::size_t { kArena = 0, kRing = 1, kCount = 2 };

struct Request {
  RequestKind kind = RequestKind::kHello;
  std::array<std::string_view, kHelloFieldCount> fields;  // into the decoded bytes
  std::int32_t family = 0;
  std::span<const std::byte> addresses;  // kBind: whole Addresses, unaligned

  std::string_view field(HelloField which) const { return fields[static_cast<std::size_t>(which)]; }
};

// kInvalidArgument or kTooLarge for anything that is not exactly one request.
Expected<Request> decode_request(std::span<const std::byte> bytes);

}  // namespace egress
