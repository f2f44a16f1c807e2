// Changes of namespaces within somebody's transaction: checked against the tree as the transaction leaves it, and
// audited. Whoever calls owns the transaction, its revision and what is told to observers; a refusal must roll it back.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

struct NamespaceWrite {
  std::optional<NamespaceRecord> previous;
  NamespaceRecord record;
};

// The descendants that the write, already put, leaves uncovered. Refuses with child_widens_parent.
Result<std::vector<Uncovered>> check_narrowing(Reader& reader, const NamespaceWrite& write, UnixMillis now_ms);

// [{"child", "uncovered_domains"}], as refusals and answers show it.
nlohmann::ordered_json render_cascade(const std::vector<Uncovered>& cascade);

// cascade_violations.
tl::unexpected<Refusal> refuse_cascade(const std::vector<Uncovered>& cascade);

void audit_namespace_write(Writer& writer, const NamespaceWrite& write, const std::vector<Uncovered>& cascade,
                           bool forced, const std::string& actor, UnixMillis now_ms);

// Removes the namespace and writes its audit row. Refuses with root_undeletable, namespace_unknown or, unless `force`,
// namespace_in_use.
Result<NamespaceRecord> erase_namespace(Writer& writer, const std::string& path, bool force, const std::string& actor,
                                        UnixMillis now_ms);

// The refusal of every call that names a namespace which does not exist.
tl::unexpected<Refusal> refuse_unknown_namespace(const std::string& path);

}  // namespace egress::server
