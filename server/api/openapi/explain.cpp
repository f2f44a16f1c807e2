#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kMaxTextBytes = 1024;

Json explanation() {
  const Json source = object_schema({{"document", text()}, {"line", integer(0, kMaxInteger)}});
  const Json vote = object_schema({{"layer", text()},
                                   {"vote", names({"abstain", "allow", "deny"})},
                                   {"rule", text()},
                                   {"source", nullable(source)}});
  const Json any = Json::object();
  const Json request = object_schema({{"method", text()}, {"path", text()}, {"body", any}});
  const Json fix = object_schema({{"layer", text()}, {"summary", text()}, {"request", nullable(request)}});
  return object_schema(
      {{"verdict", names({"allow", "deny", "would_deny"})},
       {"deny_reason", names({"", "policy", "auth_required", "control_plane", "raw_socket", "dns_name", "no_policy"})},
       {"layer", with_description(text(), "The layer that decided, or default.")},
       {"rule", text()},
       {"revision", integer(0, kMaxInteger)},
       {"mode", schema_of("Mode")},
       {"namespace_exists", boolean()},
       {"votes", with_description(array_of(vote), "One a layer, in the order of the stack.")},
       {"fixes", with_description(array_of(fix), "One for each layer that denies, and a grant where none allows.")},
       {"assumes", with_description(array_of(text()), "What the answer takes for granted.")}});
}

}  // namespace

Description describe_explain() {
  Description explain;
  explain.schemas = {{"Explanation", explanation()}};
  explain.operations = {
      {.method = Method::kGet,
       .path = "/api/explain",
       .id = "explain",
       .summary = "Why a workload would reach a destination, or not. Give host, ip or both.",
       .query = {namespace_parameter("namespace", "The workload's; absent: default."),
                 {"workload", text(kMaxTextBytes), "Its name."},
                 {"target", text(kMaxTextBytes), "Its mirrord target path."},
                 {"labels", text(), "Its labels, key=value,key=value."},
                 {"authenticated", boolean(), "Whether it has a token."},
                 {"host", text(), "A host name, or an address."},
                 {"ip", text(), "The address that the name resolved to."},
                 {"port", integer(1, 65535), "Required with tcp and udp, refused otherwise."},
                 {"protocol", names({"tcp", "udp", "icmp", "other"}), "Absent: tcp."}},
       .answers = {{200, "The verdict, every layer's vote, and what would change it.", schema_of("Explanation")}}}};
  return explain;
}

}  // namespace egress::server::openapi
