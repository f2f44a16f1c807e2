#include "server/api/openapi/resources.h"
#include "server/service/document_kinds.h"
#include "shared/manifest/node.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kPath = "/api/manifests";
constexpr std::size_t kDefaultPage = 100;

Json kinds() {
  std::vector<std::string> list;
  for (const DocumentKind& kind : all_document_kinds()) list.emplace_back(kind.name);
  return names(list);
}

Json listed_document() {
  return object_schema({{"kind", kinds()},
                        {"namespace", text()},
                        {"name", text()},
                        {"source", with_description(text(), "The document as written, in YAML or JSON.")},
                        {"line", nullable(integer(0, kMaxInteger))},
                        {"created_by", nullable(text())},
                        {"created_at", time_schema()},
                        {"updated_at", nullable(time_schema())},
                        {"revision", nullable(integer(0, kMaxInteger))}});
}

Json applied() {
  const Json document = object_schema({{"kind", kinds()},
                                       {"namespace", text()},
                                       {"name", text()},
                                       {"result", names({"created", "changed", "unchanged"})}});
  return object_schema(
      {{"applied", array_of(document)},
       {"warnings", array_of(schema_of("Problem"))},
       {"restricts", with_description(integer(0, kMaxInteger), "Namespaces that a new attachment to the root closes.")},
       {"cascade_warnings", array_of(schema_of("CascadeWarning")), false},
       {"dry_run", boolean(), false}});
}

Operation list_call() {
  Parameter limit = limit_parameter(kDefaultPage, kMaxManifestDocuments);
  limit.description = "How many documents a page holds at most: 1000 in JSON; in YAML all that POST accepts at once.";
  return {
      .method = Method::kGet,
      .path = kPath,
      .id = "listManifests",
      .summary = "The policy documents, listed as JSON or exported as YAML that POST accepts.",
      .query = {{"kind", kinds(), "Only documents of this kind."},
                namespace_parameter("namespace", "Only documents of this namespace; empty: those that live in none."),
                {"name", text(), "Only documents of this name."},
                {"format", names({"json", "yaml"}), "Absent: as Accept says, else JSON."},
                cursor_parameter(),
                std::move(limit)},
      .answers = {
          {200, "A page of documents.", schema_of("DocumentPage")},
          {200, "A stream; the header Egress-Next-Cursor has the next page's cursor.", text(), "application/yaml"}}};
}

Operation apply_call() {
  return {.method = Method::kPost,
          .path = kPath,
          .id = "applyManifest",
          .summary = "Applies a stream of policy documents, all or none.",
          .query = {namespace_parameter("namespace", "Of the documents that name none."),
                    force_parameter("Past cascade violations and failing PolicyTests."), dry_run_parameter()},
          .body = with_description(text(), "Documents in YAML or JSON."),
          .answers = {{200, "What was applied.", schema_of("Applied")}},
          .errors = {"invalid_manifest", "child_widens_parent", "cascade_violations", "policy_tests_failed",
                     "document_in_use"}};
}

Operation remove_call() {
  return {.method = Method::kDelete,
          .path = kPath,
          .id = "removeManifest",
          .summary = "Removes one policy document.",
          .query = {{"kind", kinds(), "Its kind.", true},
                    namespace_parameter("namespace", "Its namespace; absent: where the kind lives by itself."),
                    {"name", required_text(), "Its name.", true},
                    force_parameter("Although PolicyTests fail without it, or a namespace is in use."),
                    dry_run_parameter()},
          .answers = {{200, "It is gone.", object_schema({{"removed", text()}, {"dry_run", boolean(), false}})}},
          .errors = {"unknown_kind", "document_not_found", "document_in_use", "policy_tests_failed",
                     "namespace_unknown", "namespace_in_use", "root_undeletable"}};
}

}  // namespace

Description describe_manifests() {
  Description manifests;
  manifests.schemas = {{"Document", listed_document()}, {"DocumentPage", page_of("Document")}, {"Applied", applied()}};
  manifests.operations = {list_call(), apply_call(), remove_call()};
  return manifests;
}

}  // namespace egress::server::openapi
