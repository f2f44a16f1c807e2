#include "server/service/domain_json.h"

#include "server/service/json_values.h"

namespace egress::server {

using Json = nlohmann::ordered_json;

Json render_domains(const std::vector<DomainEntry>& entries) {
  Json list = Json::array();
  for (const DomainEntry& entry : entries) {
    std::string domain = format_host_pattern(entry.pattern);
    if (entry.reason.empty() && !entry.expires_at_ms) {
      list.push_back(std::move(domain));
      continue;
    }
    Json item = Json::object();
    item["domain"] = std::move(domain);
    item["reason"] = entry.reason;
    item["expires_at"] = time_or_null(entry.expires_at_ms);
    list.push_back(std::move(item));
  }
  return list;
}

Json render_domains(const AllowList& entries) { return entries ? render_domains(*entries) : Json(nullptr); }

}  // namespace egress::server
