// What in a namespace lets something through that its ancestors alone would not: entries of allowed_domains, allow
// rules of documents attached to it, gateways that are open. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/policy/documents.h"

namespace egress::server {

// The first entry of `after` that no entry of `before` covers for as long as it lives; expired ones grant nothing.
// O(|before| * |after|).
std::optional<std::string> find_added_grant(const AllowList& before, const AllowList& after, UnixMillis now_ms);

// The first layer of the documents attached to `path` that allows what it did not: a rule that `before` has not word
// for word, a block rule gone from a layer that allows, or everything.
std::optional<std::string> find_added_grant(const std::vector<Document>& before, const std::vector<Document>& after,
                                            const std::string& path);

}  // namespace egress::server
