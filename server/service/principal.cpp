#include "server/service/principal.h"

#include <nlohmann/json.hpp>

#include "shared/policy/namespace_path.h"

namespace egress::server {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kAdmin:
      break;
  }
  return "admin";
}

std::optional<Role> find_role(std::string_view name) {
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    if (name_of(role) == name) return role;
  }
  return std::nullopt;
}

bool is_in_scope(const Principal& principal, std::string_view path) {
  return path == principal.scope || is_descendant_namespace(path, principal.scope);
}

bool may(const Principal& principal, Role role, std::string_view path) {
  const bool has_role = principal.kind == Principal::Kind::kServer || principal.kind == Principal::Kind::kOpen ||
                        principal.kind == Principal::Kind::kUser;
  return has_role && principal.role >= role && is_in_scope(principal, path);
}

bool may_see(const Principal& principal, std::string_view path) {
  return is_in_scope(principal, path) || is_descendant_namespace(principal.scope, path);
}

Result<void> require_sight(const Principal& principal, std::string_view path) {
  if (may_see(principal, path)) return {};
  return require(principal, Role::kViewer, path);
}

Result<void> require(const Principal& principal, Role role, std::string_view path) {
  if (may(principal, role, path)) return {};
  const std::string needed(name_of(role));
  const bool has_role = principal.kind == Principal::Kind::kUser;
  Refusal refusal(
      ErrorCode::kForbidden, "out_of_scope",
      "this needs role " + needed + " over namespace " + std::string(path) + "; " +
          (has_role ? principal.name + " is " + std::string(name_of(principal.role)) + " of " + principal.scope
                    : "a " + std::string(principal.kind == Principal::Kind::kWorkload ? "workload" : "caller") +
                          " without a role may not"));
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  fields["needed_role"] = needed;
  fields["namespace"] = std::string(path);
  refusal.fields = std::make_shared<const nlohmann::ordered_json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

}  // namespace egress::server
