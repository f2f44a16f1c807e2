#include "server/service/audit_log.h"

namespace egress::server {

Result<AuditLog::Page> AuditLog::find(const AuditFilter& filter) {
  auto rows = store_.read([&](Reader& reader) { return reader.audit_rows(filter); });
  if (!rows) return tl::unexpected(Refusal(rows.error()));
  Page page;
  page.rows = std::move(rows->rows);
  if (rows->more) page.next_seq = page.rows.back().seq;
  return page;
}

}  // namespace egress::server
