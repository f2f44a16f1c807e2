// A namespace as it stands in the tree: what it inherits, what the whole chain makes of it, who is broken by it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/effective_settings.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

struct NamespaceView {
  NamespaceRecord record;
  bool parent_exists = true;
  EffectiveSettings effective;
  std::vector<Uncovered> broken;  // its own entries that ancestors do not cover
};

// What is too much to say of every namespace of a list.
struct NamespaceDetail {
  NamespaceView view;
  // What every allowed_domains of the chain lets through and no blocked_domains of it takes back; nullopt: no namespace
  // of the chain defines any. For display: verdicts come from the evaluator.
  std::optional<std::vector<std::string>> effective_allowed;
  std::vector<std::string> effective_blocked;  // of the whole chain, sorted
  std::vector<Uncovered> broken_children;      // descendants with entries that this namespace does not cover
  std::size_t live_sessions = 0;               // in it and below
};

// `chain`: the namespace and its existing ancestors, leaf to root.
NamespaceView view_of(Reader& reader, const std::vector<NamespaceRecord>& chain, UnixMillis now_ms);
// O(entries of the chain and below). Without live_sessions.
NamespaceDetail detail_of(Reader& reader, const std::vector<NamespaceRecord>& chain, UnixMillis now_ms);

// What both lists let through: the entries of either that the other covers. Expired entries let nothing through.
std::vector<DomainEntry> intersect(const std::vector<DomainEntry>& a, const std::vector<DomainEntry>& b,
                                   UnixMillis now_ms);

}  // namespace egress::server
