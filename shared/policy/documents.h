// The documents people write (policy.md sections 3, 4 and 10), typed. Built by manifest/ from YAML or JSON, turned into
// layers by policy/assemble.h. Everything here is already canonical: hosts, CIDRs, ports and names passed their checks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/policy/narrowing.h"
#include "shared/policy/rule.h"

namespace egress {

// What every document has. `namespace_path` is empty for kinds that live in none (MirrordClusterPolicy, Namespace,
// EgressDomain).
struct DocumentHead {
  std::string kind;
  std::string name;
  std::string namespace_path;
  int line = 0;  // of the document's first line within the stream
};

// "MirrordPolicy default/boats", "EgressDomain api.stripe.com": how messages and rules cite a document.
inline std::string cite(const DocumentHead& head) {
  if (head.namespace_path.empty()) return head.kind + " " + head.name;
  return head.kind + " " + head.namespace_path + (head.namespace_path == "/" ? "" : "/") + head.name;
}

// MirrordPolicy and MirrordClusterPolicy: the outgoing part.
struct MirrordPolicy {
  DocumentHead head;
  std::optional<WorkloadMatch> applies_to;
  std::vector<Rule> rules;  // block rules and allow rules, as written
};

enum class ListenerProtocol : std::uint8_t { kTcp, kTls, kHttp, kHttps, kUdp };

struct Listener {
  std::string name;
  ListenerProtocol protocol = ListenerProtocol::kTcp;
  std::optional<std::uint16_t> port;
};

struct EgressGateway {
  DocumentHead head;
  bool allow_all = false;  // spec.defaultPolicy, deny-all unless set
  std::vector<Listener> listeners;
};

struct ParentRef {
  std::string gateway;
  std::string namespace_path;
  std::optional<std::string> section_name;
  int line = 0;
  int column = 0;
  std::string path;
};

struct EgressL4Route {
  DocumentHead head;
  std::vector<ParentRef> parents;
  std::vector<Rule> matches;  // allow rules without regard to listeners
};

struct DenyResponse {
  std::uint16_t status_code = 403;
  std::string message;
};

struct EgressDenyPolicy {
  DocumentHead head;
  std::string route;  // in the policy's own namespace
  std::optional<DenyResponse> response;
  int line = 0;
  int column = 0;
};

struct NamespaceDocument {
  DocumentHead head;
  std::string description;
  AllowList allowed_domains;
  std::vector<DomainEntry> blocked_domains;
  std::optional<Mode> mode;
  std::optional<LoopbackMode> loopback;
  std::optional<LookupMode> lookups;
  std::optional<Action> default_action;  // the root alone
};

struct EgressDomain {
  DocumentHead head;  // the name is the domain as written
  HostPattern pattern;
  Action action = Action::kAllow;
  std::string reason;
  bool require_auth = false;
  std::optional<UnixMillis> expires_at_ms;
};

// A destination as PolicyTests, explain and the CLI write it: "api.stripe.com:443/tcp", "[2001:db8::1]:443/udp".
struct Destination {
  std::string text;
  std::string name;                // empty if an address was written
  std::optional<Address> address;  // nullopt if a name was written
  std::uint16_t port = 0;
  Transport transport = Transport::kTcp;
};

struct PolicyTest {
  DocumentHead head;
  std::string workload_namespace;
  std::vector<Destination> allow;
  std::vector<Destination> deny;
};

using Document = std::variant<MirrordPolicy, EgressGateway, EgressL4Route, EgressDenyPolicy, NamespaceDocument,
                              EgressDomain, PolicyTest>;

inline const DocumentHead& head_of(const Document& document) {
  return std::visit([](const auto& d) -> const DocumentHead& { return d.head; }, document);
}

}  // namespace egress
