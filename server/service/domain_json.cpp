#include "server/service/domain_json.h"

#include <nlohmann/json.hpp>

#include "shared/base/time_text.h"

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
    item["expires_at"] = entry.expires_at_ms ? Json(format_time(*entry.expires_at_ms)) : Json(nullptr);
    list.push_back(std::move(item));
  }
  return list;
}

Json render_domains(const AllowList& entries) { return entries ? render_domains(*entries) : Json(nullptr); }

}  // namespace egress::server
