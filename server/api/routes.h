// The route table: every call of the API on one page.
#pragma once

#include <vector>

#include "server/api/route.h"
#include "server/distribution/distribution.h"
#include "server/metrics/metrics.h"
#include "server/service/agent_fleet.h"
#include "server/service/audit_log.h"
#include "server/service/auth_failures.h"
#include "server/service/changesets.h"
#include "server/service/egress_policy.h"
#include "server/service/explanations.h"
#include "server/service/manifest_listing.h"
#include "server/service/manifests.h"
#include "server/service/namespaces.h"
#include "server/service/revisions.h"
#include "server/service/server_health.h"
#include "server/service/server_mode.h"
#include "server/service/token_registry.h"
#include "server/service/tokens.h"
#include "server/service/ui_sessions.h"
#include "server/service/workloads.h"
#include "server/telemetry/telemetry.h"

namespace egress::server {

// What the resources call. All outlive the routes.
struct Services {
  const Clock& clock;
  EgressPolicy& egress_policy;
  Namespaces& namespaces;
  ServerMode& mode;
  AuditLog& audit;
  Telemetry& telemetry;
  Distribution& distribution;
  AgentFleet& fleet;
  Manifests& manifests;
  ManifestListing& manifest_listing;
  Explanations& explanations;
  Changesets& changesets;
  Revisions& revisions;
  TokenRegistry& registry;
  Tokens& tokens;
  UiSessions& ui_sessions;
  AuthFailures& auth_failures;
  Workloads& workloads;
  ServerHealth& health;
  const Metrics& metrics;
};

std::vector<Route> make_routes(const Services& services);

}  // namespace egress::server
