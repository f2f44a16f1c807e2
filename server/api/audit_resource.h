// /api/audit: the audit, filtered and paged.
#pragma once

#include "server/api/route.h"
#include "server/service/audit_log.h"

namespace egress::server {

Result<Response> list_audit(AuditLog& log, const Request& request);

}  // namespace egress::server
