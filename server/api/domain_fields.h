// Domains, lists of them, and expiries as requests write them.
#pragma once

#include <string>
#include <vector>

#include "server/api/fields.h"
#include "shared/base/clock.h"
#include "shared/policy/narrowing.h"

namespace egress::server {

inline constexpr std::size_t kMaxDomainText = 512;
inline constexpr std::size_t kMaxReasonBytes = 1024;
inline constexpr std::size_t kMaxDomainEntries = 10'000;

// What was accepted but changed on the way in, for the answer's "warnings".
using Warnings = std::vector<std::string>;

// nullopt, with the problem recorded, if `text` is no host pattern.
std::optional<HostPattern> read_pattern(ObjectFields& fields, const std::string& key, const std::string& text,
                                        Warnings& warnings);

// "expires_in" (a duration) or "expires_at" (a time), not both; null in either means never.
Change<UnixMillis> read_expiry(ObjectFields& fields, UnixMillis now_ms);

// A list of strings and {domain, reason, expires_at}; a pattern that repeats is refused.
Change<std::vector<DomainEntry>> read_domains(ObjectFields& fields, const std::string& key, Warnings& warnings);

}  // namespace egress::server
