#include "server/service/egress_layer.h"

#include "server/service/egress_write.h"
#include "shared/policy/assemble.h"

namespace egress::server {

Layer make_egress_layer(const std::vector<EgressEntry>& entries) {
  Layer layer;
  layer.id = std::string(kEgressLayer);
  for (const EgressEntry& entry : entries) {
    layer.rules.push_back(make_domain_rule(entry.action, entry.pattern, entry.expires_at_ms, entry.require_auth));
  }
  return layer;
}

}  // namespace egress::server
