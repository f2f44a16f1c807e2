#include "server/api/openapi/resources.h"

#include <iterator>
#include <utility>

namespace egress::server::openapi {
namespace {

// What several resources show.
std::vector<NamedSchema> shared_schemas() {
  const Json entry_object = object_schema({{"domain", required_text()},
                                           {"reason", nullable(text()), false},
                                           {"expires_at", nullable(time_schema()), false}});
  Json entry = Json::object();
  entry["oneOf"] = Json::array();
  entry["oneOf"].push_back(required_text());
  entry["oneOf"].push_back(entry_object);
  const Json problem = object_schema({{"document", integer(0, kMaxInteger)},
                                      {"line", integer(0, kMaxInteger)},
                                      {"column", integer(0, kMaxInteger)},
                                      {"path", text()},
                                      {"message", text()},
                                      {"expected", text()}});
  return {
      {"Mode", names({"enforcement", "shadow", "discovery"})},
      {"DomainEntry", with_description(std::move(entry), "A host pattern, address or CIDR, alone or with its terms.")},
      {"CascadeWarning", object_schema({{"child", text()}, {"uncovered_domains", array_of(text())}})},
      {"Problem",
       with_description(problem, "What is wrong in a manifest, and where: line 0 is nowhere in particular.")},
  };
}

}  // namespace

Description describe_resources() {
  Description all;
  all.schemas = shared_schemas();
  for (const auto describe :
       {describe_server, describe_session, describe_tokens, describe_egress_policy, describe_namespaces,
        describe_workloads, describe_manifests, describe_changesets, describe_revisions, describe_explain,
        describe_mode, describe_audit, describe_otlp, describe_bundle}) {
    Description one = describe();
    std::move(one.operations.begin(), one.operations.end(), std::back_inserter(all.operations));
    std::move(one.schemas.begin(), one.schemas.end(), std::back_inserter(all.schemas));
  }
  return all;
}

Parameter limit_parameter(std::size_t otherwise, std::size_t max) {
  Json schema = integer(1, max);
  schema["default"] = otherwise;
  return {"limit", std::move(schema), "How many items a page holds at most."};
}

Parameter cursor_parameter() {
  return {"cursor", text(), "The next_cursor of the page before; absent: the first page."};
}

Parameter force_parameter(const std::string& description) { return {"force", boolean(), description}; }

Parameter dry_run_parameter() { return {"dry_run", boolean(), "Validates and answers, and changes nothing."}; }

Parameter namespace_parameter(const std::string& name, const std::string& description, bool required) {
  return {name, text(), description, required};
}

}  // namespace egress::server::openapi
