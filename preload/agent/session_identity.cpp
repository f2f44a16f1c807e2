#include "preload/agent/session_identity.h"

#include <algorithm>

#include "preload/agent/settings.h"
#include "shared/base/ascii.h"
#include "shared/bundle/signature.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

tl::unexpected<Error> refuse(const char* variable, const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, std::string(variable) + ": " + why);
}

std::string text_of(std::string_view field, std::string_view otherwise) {
  return std::string(field.empty() ? otherwise : field);
}

}  // namespace

Expected<SessionIdentity> make_session_identity(const Request& hello, uid_t uid, const SessionDefaults& defaults) {
  SessionIdentity identity;
  SessionKey& key = identity.key;
  key.uid = uid;
  key.server = text_of(hello.field(HelloField::kServer), kDefaultServer);
  key.workload = hello.field(HelloField::kWorkload);
  key.labels = hello.field(HelloField::kLabels);
  key.target = hello.field(HelloField::kTarget);
  key.token = hello.field(HelloField::kToken);
  key.resolve = hello.field(HelloField::kResolve);
  key.bundle_key = text_of(hello.field(HelloField::kBundleKey), defaults.bundle_key);
  key.ca = text_of(hello.field(HelloField::kCa), defaults.ca);

  const bool by_token = !key.token.empty() && !is_policy_file_name(key.server);
  key.namespace_path = text_of(hello.field(HelloField::kNamespace), by_token ? std::string_view() : kDefaultNamespace);

  if (is_policy_file_name(key.server)) {
    auto file = parse_policy_file_name(key.server);
    if (!file) return refuse("EGRESS_SERVER", file.error().message);
    identity.file = *file;
  } else {
    auto server = parse_server_url(key.server);
    if (!server) return refuse("EGRESS_SERVER", server.error().message);
    identity.server = std::move(*server);
  }
  if (!key.namespace_path.empty()) {
    if (auto path = parse_namespace_path(key.namespace_path); !path) {
      return refuse("EGRESS_NAMESPACE", path.error().message);
    }
  }
  if (!key.workload.empty() && !is_workload_name(key.workload)) {
    return refuse("EGRESS_WORKLOAD", "expected at most 253 bytes without blanks or control characters");
  }
  if (!is_workload_target(key.target)) {
    return refuse("EGRESS_TARGET", "expected at most 253 bytes without blanks or control characters");
  }
  if (!is_visible_ascii(key.token)) return refuse("EGRESS_TOKEN", "expected visible ASCII characters without blanks");
  auto labels = parse_labels(key.labels);
  if (!labels) return refuse("EGRESS_LABELS", labels.error().message);
  identity.labels = std::move(*labels);
  auto overrides = ResolveOverrides::parse(key.resolve);
  if (!overrides) return refuse("EGRESS_RESOLVE", overrides.error().message);
  identity.overrides = std::move(*overrides);
  // The agent's working directory is nobody's, so a relative path would name no file that anybody meant.
  if (!key.ca.empty() && !key.ca.starts_with('/')) {
    return refuse("EGRESS_CA", "expected the absolute path of a PEM file, not \"" + key.ca + "\"");
  }
  if (!key.bundle_key.empty()) {
    if (auto trusted = parse_public_key(key.bundle_key); !trusted) {
      return refuse("EGRESS_BUNDLE_KEY", trusted.error().message);
    }
  }
  return identity;
}

}  // namespace egress
