#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kMaxReasonBytes = 1024;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

Json number() { return integer(0, kMaxInteger); }

Json head_with(const std::vector<Field>& further) {
  std::vector<Field> fields = {
      {"revision", number()},
      {"time", time_schema()},
      {"actor", text()},
      {"summary", with_description(text(), "Empty where part of it is out of the reader's scope.")}};
  fields.insert(fields.end(), further.begin(), further.end());
  return object_schema(fields);
}

Json one_revision() {
  const Json document = nullable(text());
  const Json change = object_schema({{"kind", text()},
                                     {"subject", text()},
                                     {"before", with_description(document, "YAML; null: there was none.")},
                                     {"after", with_description(document, "YAML; null: it is gone.")}});
  return head_with({{"changes", array_of(change)},
                    {"hidden_changes", with_description(number(), "Out of the reader's scope."), false},
                    {"diff", text()},
                    {"next_cursor", with_description(nullable(text()), "Of further changes; null: there are none.")}});
}

Json rolled_back() {
  const Json change = object_schema({{"kind", text()}, {"subject", text()}});
  return object_schema({{"changed", boolean()},
                        {"revision", with_description(nullable(number()), "The new one; null: nothing changed.")},
                        {"rolled_back_to", number()},
                        {"changes", array_of(change)},
                        {"diff", text()},
                        {"cascade_warnings", array_of(schema_of("CascadeWarning"))},
                        {"warnings", array_of(text())},
                        {"dry_run", boolean(), false}});
}

Parameter number_in_path() { return {"number", number(), "The revision's number.", true}; }

Parameter cursor() {
  return {"cursor", integer(0, kMaxInteger), "The next_cursor of the page before; absent: the first page."};
}

}  // namespace

Description describe_revisions() {
  Description revisions;
  revisions.schemas = {
      {"RevisionHead", head_with({{"changes", with_description(number(), "How many of them there are to see.")}})},
      {"RevisionPage", page_of("RevisionHead")},
      {"Revision", one_revision()},
      {"Rollback", rolled_back()},
      {"RollbackReason", object_schema({{"reason", nullable(text(kMaxReasonBytes)), false}})}};
  revisions.operations = {
      {.method = Method::kGet,
       .path = "/api/revisions",
       .id = "listRevisions",
       .summary = "Who changed policy, newest first.",
       .query = {cursor(), limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "A page of revisions.", schema_of("RevisionPage")}}},
      {.method = Method::kGet,
       .path = "/api/revisions/{number}",
       .id = "getRevision",
       .summary = "What one revision changed, page by page.",
       .path_parameters = {number_in_path()},
       .query = {cursor(), limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "The revision.", schema_of("Revision")}},
       .errors = {"invalid_path", "revision_unknown"}},
      {.method = Method::kPost,
       .path = "/api/revisions/{number}:rollback",
       .id = "rollBack",
       .summary = "Makes a new revision with the content of an old one.",
       .path_parameters = {number_in_path()},
       .query = {force_parameter("Past cascade violations, the use of a namespace and failing PolicyTests."),
                 dry_run_parameter()},
       .body = schema_of("RollbackReason"),
       .body_is_optional = true,
       .answers = {{200, "The new revision.", schema_of("Rollback")}},
       .errors = {"invalid_path", "revision_unknown", "revision_has_no_history", "invalid_manifest", "document_in_use",
                  "namespace_in_use", "child_widens_parent", "cascade_violations", "policy_tests_failed"}},
  };
  return revisions;
}

}  // namespace egress::server::openapi
