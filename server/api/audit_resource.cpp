#include "server/api/audit_resource.h"

#include "server/api/fields.h"
#include "server/service/audit_chain.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;

// The canonical JSON that the hash covers, with the hashes behind it: what a client needs to check the chain.
std::string render_row(const AuditRow& row) {
  std::string text = canonical_json(row);
  text.pop_back();
  return text + ",\"prev_hash\":\"" + row.prev_hash + "\",\"hash\":\"" + row.hash + "\"}";
}

}  // namespace

Result<Response> list_audit(AuditLog& log, const Request& request) {
  QueryFields query(request);
  AuditFilter filter;
  filter.event = query.text("event");
  filter.namespace_path = query.text("namespace");
  filter.workload = query.text("workload");
  filter.host = query.text("host");
  filter.verdict = query.text("verdict");
  filter.layer = query.text("layer");
  filter.since_ms = query.time("since");
  filter.until_ms = query.time("until");
  filter.text = query.text("q");
  filter.before_seq = query.number("cursor");
  filter.limit = query.limit(kDefaultPage, kMaxAuditPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());

  if (filter.namespace_path) {
    if (auto may_read = require(request.principal, Role::kViewer, *filter.namespace_path); !may_read) {
      return tl::unexpected(may_read.error());
    }
  }
  if (request.principal.scope != kRootNamespace) filter.subtree = request.principal.scope;
  const auto page = log.find(filter);
  if (!page) return tl::unexpected(page.error());
  Response response;
  response.body = "{\"items\":[";
  for (const AuditRow& row : page->rows) {
    if (response.body.back() != '[') response.body += ',';
    response.body += render_row(row);
  }
  response.body += "],\"next_cursor\":";
  response.body += page->next_seq ? "\"" + std::to_string(*page->next_seq) + "\"" : std::string("null");
  response.body += "}\n";
  return response;
}

}  // namespace egress::server
