#include "server/service/audit_log.h"

namespace egress::server {

Result<AuditLog::Page> AuditLog::find(AuditFilter filter) {
  const std::size_t limit = filter.limit;
  filter.limit = limit + 1;  // one more tells whether there is a next page
  auto rows = store_.read([&](Reader& reader) { return reader.audit_rows(filter); });
  if (!rows) return tl::unexpected(Refusal(rows.error()));
  Page page;
  page.rows = *std::move(rows);
  if (page.rows.size() > limit) {
    page.rows.resize(limit);
    page.next_seq = page.rows.back().seq;
  }
  return page;
}

}  // namespace egress::server
