#include "server/api/routes.h"

#include "server/api/audit_resource.h"
#include "server/api/bundle_resource.h"
#include "server/api/changesets_resource.h"
#include "server/api/egress_policy_resource.h"
#include "server/api/explain_resource.h"
#include "server/api/fields.h"
#include "server/api/manifests_resource.h"
#include "server/api/mode_resource.h"
#include "server/api/monitoring_resource.h"
#include "server/api/namespaces_resource.h"
#include "server/api/openapi/document.h"
#include "server/api/openapi/resources.h"
#include "server/api/otlp_resource.h"
#include "server/api/revisions_resource.h"
#include "server/api/session_resource.h"
#include "server/api/tokens_resource.h"
#include "server/api/workloads_resource.h"
#include "shared/manifest/node.h"

namespace egress::server {
namespace {

constexpr std::size_t kSmallBody = std::size_t{16} << 10;
constexpr std::size_t kPolicyBody = std::size_t{2} << 20;
constexpr std::size_t kManifestBody = kMaxManifestTextBytes;
constexpr std::size_t kTelemetryBody = std::size_t{16} << 20;

Result<Response> get_openapi(const std::string& document, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  Response response;
  response.body = document;
  return response;
}

// A handler that hands the request to `function` after its own arguments.
template <typename Function, typename... Arguments>
Handler call(Function function, Arguments&... arguments) {
  return [function, &arguments...](const Request& request) { return function(arguments..., request); };
}

}  // namespace

std::vector<Route> make_routes(const Services& services) {
  const auto put_entry = [&](Action action) -> Handler {
    return [&policy = services.egress_policy, &clock = services.clock, action](const Request& request) {
      return put_egress_entry(policy, clock, action, request);
    };
  };
  const auto remove_entry = [&](Action action) -> Handler {
    return [&policy = services.egress_policy, action](const Request& request) {
      return remove_egress_entry(policy, action, request);
    };
  };
  const auto receive = [&](Signal signal) -> Handler {
    return [&telemetry = services.telemetry, signal](const Request& request) {
      return receive_otlp(telemetry, signal, request);
    };
  };
  const auto list_records = [&](Signal signal) -> Handler {
    return [&telemetry = services.telemetry, signal](const Request& request) {
      return list_otlp(telemetry, signal, request);
    };
  };
  const Handler change_all = [&changesets = services.changesets, &clock = services.clock](const Request& request) {
    return apply_changeset(changesets, clock, request);
  };
  const BundleServices bundles{services.distribution, services.fleet, services.workloads};
  const PollStarter poll_bundle = [bundles](const Request& request) { return start_bundle_poll(bundles, request); };
  constexpr Method kGet = Method::kGet;
  constexpr Method kPost = Method::kPost;
  constexpr Method kDelete = Method::kDelete;
  constexpr BodyRule kNone = BodyRule::kNone;
  constexpr BodyRule kJson = BodyRule::kJson;
  constexpr BodyRule kManifest = BodyRule::kManifest;
  constexpr BodyRule kOtlp = BodyRule::kOtlpJson;
  constexpr ErrorStyle kRpc = ErrorStyle::kRpcStatus;
  constexpr Access kAnyone{Access::Audience::kAnyone, Role::kViewer};
  constexpr Access kWorkload{Access::Audience::kWorkload, Role::kViewer};
  constexpr Access kTelemetry{Access::Audience::kWorkload, Role::kOperator, true};
  constexpr Access kViewer{Access::Audience::kRole, Role::kViewer};
  constexpr Access kOperator{Access::Audience::kRole, Role::kOperator};
  constexpr Access kAdmin{Access::Audience::kRole, Role::kAdmin};

  // The description of the table is itself in the table, so it is filled in behind it.
  const auto description = std::make_shared<std::string>();
  const Handler describe = [description](const Request& request) { return get_openapi(*description, request); };

  std::vector<Route> routes = {
      {kGet, "/healthz", kAnyone, kNone, 0, Handler(get_health)},
      {kPost, "/api/session", kAnyone, kJson, kSmallBody,
       call(begin_session, services.registry, services.ui_sessions, services.auth_failures)},
      {kGet, "/api/session", kAnyone, kNone, 0, call(get_session, services.registry)},
      {kDelete, "/api/session", kAnyone, kNone, 0, call(end_session, services.registry, services.ui_sessions)},
      {kGet, "/api/tokens", kAdmin, kNone, 0, call(list_tokens, services.tokens)},
      {kPost, "/api/tokens", kAdmin, kJson, kSmallBody, call(create_token, services.tokens, services.clock)},
      {kDelete, "/api/tokens", kAdmin, kNone, 0, call(revoke_token_by_id, services.tokens)},
      {kGet, "/api/openapi.json", kAnyone, kNone, 0, describe},
      {kGet, "/readyz", kAnyone, kNone, 0, call(get_readiness, services.health, services.distribution)},
      {kGet, "/metrics", kViewer, kNone, 0,
       call(get_metrics, services.metrics, services.health, services.distribution, services.telemetry)},
      {kGet, "/api/policy/egress", kViewer, kNone, 0, call(list_egress_policy, services.egress_policy)},
      {kPost, "/api/policy/egress/allow", kOperator, kJson, kSmallBody, put_entry(Action::kAllow)},
      {kPost, "/api/policy/egress/block", kOperator, kJson, kSmallBody, put_entry(Action::kDeny)},
      {kDelete, "/api/policy/egress/allow", kOperator, kNone, 0, remove_entry(Action::kAllow)},
      {kDelete, "/api/policy/egress/block", kOperator, kNone, 0, remove_entry(Action::kDeny)},
      {kGet, "/api/fleet/namespaces", kViewer, kNone, 0, call(list_namespaces, services.namespaces)},
      {kPost, "/api/fleet/namespaces", kOperator, kJson, kPolicyBody, call(put_namespace, services.namespaces)},
      {kDelete, "/api/fleet/namespaces", kOperator, kNone, 0, call(remove_namespace, services.namespaces)},
      {kGet, "/api/fleet/workloads", kViewer, kNone, 0, call(list_workloads, services.workloads, services.fleet)},
      {kPost, "/api/fleet/workloads", kOperator, kJson, kSmallBody * 4, call(put_workload, services.workloads)},
      {kDelete, "/api/fleet/workloads", kOperator, kNone, 0, call(remove_workload, services.workloads)},
      {kGet, "/api/manifests", kViewer, kNone, 0, call(list_manifests, services.manifest_listing)},
      {kPost, "/api/manifests", kOperator, kManifest, kManifestBody, call(apply_manifest, services.manifests)},
      {kDelete, "/api/manifests", kOperator, kNone, 0, call(remove_manifest, services.manifests)},
      {kPost, "/api/changesets", kOperator, kJson, kManifestBody, change_all},
      {kGet, "/api/revisions", kViewer, kNone, 0, call(list_revisions, services.revisions)},
      {kGet, "/api/revisions/{number}", kViewer, kNone, 0, call(get_revision, services.revisions)},
      {kPost, "/api/revisions/{number}:rollback", kOperator, kJson, kSmallBody,
       call(roll_back_revision, services.revisions)},
      {kGet, "/api/explain", kViewer, kNone, 0, call(get_explanation, services.explanations)},
      {kGet, "/api/mode", kViewer, kNone, 0, call(get_mode, services.mode)},
      {kPost, "/api/mode", kAdmin, kJson, kSmallBody, call(set_mode, services.mode)},
      {kGet, "/api/audit", kViewer, kNone, 0, call(list_audit, services.audit)},
      {kPost, "/v1/logs", kTelemetry, kOtlp, kTelemetryBody, receive(Signal::kLogs), kRpc},
      {kPost, "/v1/traces", kTelemetry, kOtlp, kTelemetryBody, receive(Signal::kTraces), kRpc},
      {kGet, "/api/otlp/logs", kViewer, kNone, 0, list_records(Signal::kLogs)},
      {kGet, "/api/otlp/traces", kViewer, kNone, 0, list_records(Signal::kTraces)},
      {kGet, "/api/bundle", kWorkload, kNone, 0, poll_bundle},
      {kGet, "/api/layers/{sha256}", kWorkload, kNone, 0, call(get_layer, services.distribution)},
      {kPost, "/api/bundle/status", kWorkload, kJson, kSmallBody, call(report_bundle_status, services.fleet)},
      {kGet, "/api/bundle/status", kViewer, kNone, 0, call(list_bundle_status, services.fleet)},
  };
  *description = openapi::render_openapi(routes, openapi::describe_resources());
  return routes;
}

}  // namespace egress::server
