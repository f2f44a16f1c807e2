// The enumerations of policy.md and their wire spellings. Values are stable: they appear in shared memory, compiled
// layers and stored records. Names are returned as string views with static storage.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace egress {

enum class Transport : std::uint8_t { kTcp = 0, kUdp = 1, kIcmp = 2, kOther = 3 };
enum class Action : std::uint8_t { kDeny = 0, kAllow = 1 };
// What a layer says of a connection that none of its rules matches, and what a layer votes.
enum class Vote : std::uint8_t { kAbstain = 0, kAllow = 1, kDeny = 2 };
enum class Verdict : std::uint8_t { kAllow = 0, kDeny = 1, kWouldDeny = 2 };
enum class DenyReason : std::uint8_t {
  kNone = 0,
  kPolicy = 1,
  kAuthRequired = 2,
  kControlPlane = 3,
  kRawSocket = 4,
  kDnsName = 5,
  kNoPolicy = 6,
};
enum class Mode : std::uint8_t { kDiscovery = 0, kShadow = 1, kEnforcement = 2 };  // ordered from lax to strict
enum class LoopbackMode : std::uint8_t { kPass = 0, kEnforce = 1 };
enum class LookupMode : std::uint8_t { kResolvable = 0, kListed = 1 };

std::string_view name_of(Transport value);     // "tcp" "udp" "icmp" "other"
std::string_view name_of(Action value);        // "allow" "deny"
std::string_view name_of(Vote value);          // "allow" "deny" "abstain"
std::string_view name_of(Verdict value);       // "allow" "deny" "would_deny"
std::string_view name_of(DenyReason value);    // "policy" "auth_required" ...; "" for none
std::string_view name_of(Mode value);          // "discovery" "shadow" "enforcement"
std::string_view name_of(LoopbackMode value);  // "pass" "enforce"
std::string_view name_of(LookupMode value);    // "resolvable" "listed"

std::optional<Transport> find_transport(std::string_view name);
std::optional<Action> find_action(std::string_view name);
std::optional<Vote> find_vote(std::string_view name);
std::optional<Mode> find_mode(std::string_view name);
std::optional<LoopbackMode> find_loopback_mode(std::string_view name);
std::optional<LookupMode> find_lookup_mode(std::string_view name);

}  // namespace egress
