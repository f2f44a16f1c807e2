#include "server/service/expiry_watch.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/cascade.h"

namespace egress::server {
namespace {

// The domains that `path` leaves uncovered now and did not at `before_ms`.
std::vector<Uncovered> newly_broken(Reader& reader, const NamespaceRecord& record, UnixMillis before_ms,
                                    UnixMillis now_ms) {
  std::vector<Uncovered> broken;
  const auto earlier = find_cascade(reader, record.path, record.allowed, before_ms);
  for (Uncovered& item : find_cascade(reader, record.path, record.allowed, now_ms)) {
    const auto was = std::find_if(earlier.begin(), earlier.end(),
                                  [&](const Uncovered& candidate) { return candidate.child == item.child; });
    if (was != earlier.end()) {
      std::erase_if(item.domains, [&](const std::string& domain) {
        return std::find(was->domains.begin(), was->domains.end(), domain) != was->domains.end();
      });
    }
    if (!item.domains.empty()) broken.push_back(std::move(item));
  }
  return broken;
}

void audit_broken(Writer& writer, const Uncovered& item, UnixMillis now_ms) {
  AuditEvent event;
  event.event = "namespace_broken";
  event.actor = "server";
  event.namespace_path = item.child;
  event.subject = item.child;
  event.layer = "namespace:" + item.ancestor;
  nlohmann::ordered_json detail = nlohmann::ordered_json::object();
  detail["ancestor"] = item.ancestor;
  detail["uncovered_domains"] = item.domains;
  append_audit(writer, now_ms, event, detail);
}

}  // namespace

Result<std::size_t> ExpiryWatch::run_due(UnixMillis now_ms) {
  // Nearly always there is nothing to do, and a read finds that out without waiting for writers.
  auto idle = store_.read([&](Reader& reader) {
    const auto since_ms = reader.expiry_watermark();
    return since_ms && (*since_ms >= now_ms || reader.namespaces_with_expired_grants(*since_ms, now_ms).empty());
  });
  if (!idle) return tl::unexpected(Refusal(idle.error()));
  if (*idle) return std::size_t{0};
  return store_.write([&](Writer& writer) -> Result<std::size_t> {
    const auto since_ms = writer.expiry_watermark();
    std::size_t count = 0;
    if (since_ms && *since_ms < now_ms) {
      for (const std::string& path : writer.namespaces_with_expired_grants(*since_ms, now_ms)) {
        const auto record = writer.find_namespace(path);
        if (!record) continue;
        for (const Uncovered& item : newly_broken(writer, *record, *since_ms, now_ms)) {
          audit_broken(writer, item, now_ms);
          ++count;
        }
      }
    }
    if (!since_ms || *since_ms < now_ms) writer.set_expiry_watermark(now_ms);
    return count;
  });
}

}  // namespace egress::server
