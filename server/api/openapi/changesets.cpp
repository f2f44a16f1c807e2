#include "server/service/changesets.h"

#include "server/api/domain_fields.h"
#include "server/api/openapi/resources.h"
#include "server/service/document_kinds.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kMaxDescriptionBytes = 4096;
constexpr std::size_t kMaxPathBytes = 1100;

Json document_kind_names() {
  std::vector<std::string> list;
  for (const DocumentKind& kind : all_document_kinds()) list.emplace_back(kind.name);
  return names(list);
}

Json operation(const std::string& op, const std::vector<Field>& further) {
  std::vector<Field> fields = {{"op", names({op})}};
  fields.insert(fields.end(), further.begin(), further.end());
  return object_schema(fields);
}

// One of the operations, told apart by "op".
Json change() {
  const std::vector<Field> domain = {{"domain", required_text(kMaxDomainText)}};
  const Field in_namespace = {"namespace", nullable(text(kMaxPathBytes)), false};
  Json either = Json::object();
  either["oneOf"] = Json::array({
      operation("allow", egress_put_fields(true)),
      operation("block", egress_put_fields(false)),
      operation("remove_allow", domain),
      operation("remove_block", domain),
      operation("namespace", namespace_put_fields()),
      operation("remove_namespace", {{"name", required_text(kMaxPathBytes)}}),
      operation("mode", {{"mode", schema_of("Mode")}}),
      operation("manifest",
                {{"manifest", with_description(required_text(), "Documents in YAML or JSON.")}, in_namespace}),
      operation("remove_document",
                {{"kind", document_kind_names()}, in_namespace, {"name", required_text(kMaxPathBytes)}}),
  });
  return either;
}

Json changeset() {
  Json changes = array_of(schema_of("Change"), kMaxOperations);
  changes["minItems"] = 1;
  return object_schema({{"description", nullable(text(kMaxDescriptionBytes)), false}, {"changes", std::move(changes)}});
}

Json answer() {
  const Json applied = object_schema({{"kind", document_kind_names()},
                                      {"namespace", text()},
                                      {"name", text()},
                                      {"result", names({"created", "changed", "unchanged"})}});
  const Json result = object_schema({{"op", text()},
                                     {"subject", text(), false},
                                     {"result", names({"created", "changed", "unchanged", "removed"})},
                                     {"applied", with_description(array_of(applied), "Of a manifest."), false}});
  const Json place = integer(0, kMaxInteger);
  const Json warning = object_schema({{"change", with_description(place, "The change it is about."), false},
                                      {"document", place, false},
                                      {"line", place, false},
                                      {"column", place, false},
                                      {"path", text(), false},
                                      {"message", text()},
                                      {"expected", text(), false}});
  return object_schema(
      {{"revision", with_description(nullable(integer(0, kMaxInteger)), "null: nothing changed.")},
       {"results", with_description(array_of(result), "One a change, in their order.")},
       {"cascade_warnings", array_of(schema_of("CascadeWarning"))},
       {"warnings", array_of(warning)},
       {"restricts", with_description(integer(0, kMaxInteger), "Namespaces that a new attachment to the root closes.")},
       {"live_sessions", with_description(integer(0, kMaxInteger), "In what it quarantines."), false},
       {"note", text(), false},
       {"dry_run", boolean(), false}});
}

}  // namespace

Description describe_changesets() {
  Description changesets;
  changesets.schemas = {{"Change", change()}, {"Changeset", changeset()}, {"ChangesetAnswer", answer()}};
  changesets.operations = {
      {.method = Method::kPost,
       .path = "/api/changesets",
       .id = "applyChangeset",
       .summary = "Any mix of changes, all or none, judged on the state that they leave together.",
       .query = {force_parameter("Past cascade violations, the use of a namespace and failing PolicyTests."),
                 dry_run_parameter()},
       .body = schema_of("Changeset"),
       .answers = {{200, "What became of each.", schema_of("ChangesetAnswer")}},
       .errors = {"invalid_manifest", "egress_entry_not_found", "namespace_unknown", "document_not_found",
                  "document_in_use", "namespace_in_use", "root_undeletable", "child_widens_parent",
                  "cascade_violations", "policy_tests_failed"}},
  };
  return changesets;
}

}  // namespace egress::server::openapi
