#include "shared/policy/names.h"

#include <array>
#include <cstddef>

namespace egress {
namespace {

using namespace std::string_view_literals;

// Indexed by the enumerations' values.
constexpr std::array kTransports{"tcp"sv, "udp"sv, "icmp"sv, "other"sv};
constexpr std::array kActions{"deny"sv, "allow"sv};
constexpr std::array kVotes{"abstain"sv, "allow"sv, "deny"sv};
constexpr std::array kVerdicts{"allow"sv, "deny"sv, "would_deny"sv};
constexpr std::array kDenyReasons{""sv,           "policy"sv,   "auth_required"sv, "control_plane"sv,
                                  "raw_socket"sv, "dns_name"sv, "no_policy"sv};
constexpr std::array kModes{"discovery"sv, "shadow"sv, "enforcement"sv};
constexpr std::array kLoopbackModes{"pass"sv, "enforce"sv};
constexpr std::array kLookupModes{"resolvable"sv, "listed"sv};

template <typename Enum, std::size_t N>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : "unknown"sv;
}

template <typename Enum, std::size_t N>
std::optional<Enum> find_in(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Transport value) { return name_in(kTransports, value); }
std::string_view name_of(Action value) { return name_in(kActions, value); }
std::string_view name_of(Vote value) { return name_in(kVotes, value); }
std::string_view name_of(Verdict value) { return name_in(kVerdicts, value); }
std::string_view name_of(DenyReason value) { return name_in(kDenyReasons, value); }
std::string_view name_of(Mode value) { return name_in(kModes, value); }
std::string_view name_of(LoopbackMode value) { return name_in(kLoopbackModes, value); }
std::string_view name_of(LookupMode value) { return name_in(kLookupModes, value); }

std::optional<Transport> find_transport(std::string_view name) { return find_in<Transport>(kTransports, name); }
std::optional<Action> find_action(std::string_view name) { return find_in<Action>(kActions, name); }
std::optional<Vote> find_vote(std::string_view name) { return find_in<Vote>(kVotes, name); }
std::optional<Mode> find_mode(std::string_view name) { return find_in<Mode>(kModes, name); }
std::optional<LoopbackMode> find_loopback_mode(std::string_view name) {
  return find_in<LoopbackMode>(kLoopbackModes, name);
}
std::optional<LookupMode> find_lookup_mode(std::string_view name) { return find_in<LookupMode>(kLookupModes, name); }

}  // namespace egress
