#include "server/api/openapi/resources.h"
#include "server/service/audit_log.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kDefaultPage = 100;

Json row() {
  Json hash = text();
  hash["pattern"] = "^[0-9a-f]{64}$";
  return object_schema({{"seq", integer(1, kMaxInteger)},
                        {"time", time_schema()},
                        {"event", text()},
                        {"actor", text()},
                        {"namespace", text()},
                        {"subject", text()},
                        {"detail", any_object()},
                        {"prev_hash", hash},
                        {"hash", with_description(hash, "SHA-256 of prev_hash and the fields before it, as sent.")}});
}

}  // namespace

Description describe_audit() {
  Description audit;
  audit.schemas = {{"AuditRow", row()}, {"AuditPage", page_of("AuditRow")}};
  audit.operations = {
      {.method = Method::kGet,
       .path = "/api/audit",
       .id = "listAudit",
       .summary = "The audit, newest first.",
       .query = {{"event", text(), "Only this event."},
                 {"namespace", text(), "Only this namespace."},
                 {"workload", text(), "Only this workload."},
                 {"host", text(), "Only this host."},
                 {"verdict", text(), "Only this verdict."},
                 {"layer", text(), "Only this layer."},
                 {"since", time_schema(), "From this time on."},
                 {"until", time_schema(), "Before this time."},
                 {"q", text(), "Only rows with this text in their subject or detail."},
                 {"cursor", integer(0, kMaxInteger), "The next_cursor of the page before; absent: the first page."},
                 limit_parameter(kDefaultPage, kMaxAuditPage)},
       .answers = {{200, "A page of rows.", schema_of("AuditPage")}}}};
  return audit;
}

}  // namespace egress::server::openapi
