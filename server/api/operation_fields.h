// The requests of single calls as JSON objects have them: shared by those calls and by the operations of a change-set.
#pragma once

#include "server/api/domain_fields.h"
#include "server/api/fields.h"
#include "server/service/changesets.h"

namespace egress::server {

// domain, reason, require_auth (allow only), expires_in or expires_at.
EgressPut read_egress_put(ObjectFields& fields, Action action, UnixMillis now_ms, Warnings& warnings);

// name, description, allowed_domains, blocked_domains, mode, loopback, lookups, default_action.
NamespacePut read_namespace_put(ObjectFields& fields, Warnings& warnings);

// A namespace path in the field `key`; empty, with the problem recorded, if it is none.
std::string read_namespace_path(ObjectFields& fields, const std::string& key);

Mode read_mode(ObjectFields& fields);

// An object of a change-set's "changes": "op", and the fields of that operation. Finishes `fields`.
Result<Operation> read_operation(ObjectFields& fields, UnixMillis now_ms, Warnings& warnings);

}  // namespace egress::server
