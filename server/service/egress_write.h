// Changes of the global egress table within somebody's transaction: stored, marked with the revision, audited. Whoever
// calls owns the transaction and what is told to observers.
#pragma once

#include <string>
#include <string_view>

#include "server/store/store.h"

namespace egress::server {

inline constexpr std::string_view kEgressLayer = "egress";

// How decisions cite the rule of an entry: "allow api.stripe.com".
std::string rule_name(Action action, const HostPattern& pattern);

void write_egress_entry(Writer& writer, const EgressEntry& entry, std::uint64_t revision, const std::string& actor,
                        UnixMillis now_ms);
void erase_egress_entry(Writer& writer, const EgressEntry& entry, std::uint64_t revision, const std::string& actor,
                        UnixMillis now_ms);

}  // namespace egress::server
