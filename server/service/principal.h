// Who asks, and what they may do (control-plane.md, "Access"): roles viewer < operator < admin, each over one subtree
// of the namespaces. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/service/refusal.h"

namespace egress::server {

enum class Role : std::uint8_t { kViewer = 0, kOperator = 1, kAdmin = 2 };
std::string_view name_of(Role role);
std::optional<Role> find_role(std::string_view name);

struct Principal {
  enum class Kind : std::uint8_t {
    kNobody,    // without a valid token, where one is needed: may do nothing
    kServer,    // the server itself
    kOpen,      // anyone on an open loopback: may do everything
    kUser,      // by a token of a role
    kWorkload,  // by a workload's token: no role; only bundles, status and telemetry of its own
  };
  Kind kind = Kind::kNobody;
  std::string name;  // as the audit names it
  Role role = Role::kViewer;
  std::string scope;     // the namespace at the top of the subtree; a workload's own namespace
  std::string token_id;  // of the token it came by; empty: none
  std::string workload;  // kWorkload: its registered name within `scope`

  static Principal server() { return {Kind::kServer, "server", Role::kAdmin, "/", {}, {}}; }
  static Principal open() { return {Kind::kOpen, "anonymous", Role::kAdmin, "/", {}, {}}; }
};

// Whether `path` lies in the principal's subtree.
bool is_in_scope(const Principal& principal, std::string_view path);
// Whether the principal may read what belongs to `path`: its subtree, and the ancestors that its subtree inherits from.
bool may_see(const Principal& principal, std::string_view path);
// 403 out_of_scope unless it may see `path`.
Result<void> require_sight(const Principal& principal, std::string_view path);

// Whether the principal has at least that role over `path`. Never for workloads and nobody.
bool may(const Principal& principal, Role role, std::string_view path);

// 403 out_of_scope, saying which role over which namespace is needed and which the principal has; else nothing.
Result<void> require(const Principal& principal, Role role, std::string_view path);

}  // namespace egress::server
