#include "server/api/domain_fields.h"
#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kPath = "/api/fleet/namespaces";
constexpr std::size_t kMaxNameBytes = 1100;
constexpr std::size_t kMaxDescriptionBytes = 4096;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;
constexpr std::size_t kMaxDepth = 16;

Json loopback() { return names({"pass", "enforce"}); }
Json lookups() { return names({"resolvable", "listed"}); }

Json view() {
  const Json effective = object_schema({{"mode", schema_of("Mode")}, {"loopback", loopback()}, {"lookups", lookups()}});
  const Json broken = object_schema({{"ancestor", text()}, {"uncovered_domains", array_of(text())}});
  return object_schema({
      {"name", text()},
      {"parent", nullable(text())},
      {"parent_exists", boolean()},
      {"depth", integer(0, kMaxDepth)},
      {"description", text()},
      {"allowed_domains", nullable(array_of(schema_of("DomainEntry")))},
      {"blocked_domains", array_of(schema_of("DomainEntry"))},
      {"mode", nullable(schema_of("Mode"))},
      {"loopback", nullable(loopback())},
      {"lookups", nullable(lookups())},
      {"default_action", with_description(nullable(names({"deny", "allow"})), "Of the root alone."), false},
      {"effective", effective},
      {"broken", with_description(array_of(broken), "What ancestors no longer cover.")},
      {"created_at", time_schema()},
      {"updated_at", time_schema()},
      {"dry_run", boolean(), false},
      {"cascade_warnings", array_of(schema_of("CascadeWarning")), false},
      {"warnings", array_of(text()), false},
  });
}

Json put_body() {
  const Json domains = nullable(array_of(schema_of("DomainEntry"), kMaxDomainEntries));
  return object_schema({
      {"name", required_text(kMaxNameBytes)},
      {"description", nullable(text(kMaxDescriptionBytes)), false},
      {"allowed_domains", with_description(domains, "null inherits, [] allows nothing; absent keeps what is set."),
       false},
      {"blocked_domains", domains, false},
      {"mode", nullable(schema_of("Mode")), false},
      {"loopback", nullable(loopback()), false},
      {"lookups", nullable(lookups()), false},
      {"default_action", with_description(nullable(names({"deny", "allow"})), "Of the root alone."), false},
  });
}

}  // namespace

Description describe_namespaces() {
  Description namespaces;
  namespaces.schemas = {{"Namespace", view()}, {"NamespacePut", put_body()}, {"NamespacePage", page_of("Namespace")}};
  namespaces.operations = {
      {.method = Method::kGet,
       .path = kPath,
       .id = "listNamespaces",
       .summary = "The namespaces, or one of them.",
       .query = {namespace_parameter("name", "Only this one."), cursor_parameter(),
                 limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "A page of namespaces.", schema_of("NamespacePage")}},
       .errors = {"namespace_unknown"}},
      {.method = Method::kPost,
       .path = kPath,
       .id = "putNamespace",
       .summary = "Creates a namespace, or changes the fields given.",
       .query = {force_parameter("Applies although descendants are left uncovered; never past an ancestor."),
                 dry_run_parameter()},
       .body = schema_of("NamespacePut"),
       .answers = {{201, "The new namespace.", schema_of("Namespace")},
                   {200, "The namespace, changed.", schema_of("Namespace")}},
       .errors = {"child_widens_parent", "cascade_violations"}},
      {.method = Method::kDelete,
       .path = kPath,
       .id = "removeNamespace",
       .summary = "Deletes a namespace.",
       .query = {namespace_parameter("name", "The namespace.", true),
                 force_parameter("Deletes it although descendants or documents are in it."), dry_run_parameter()},
       .answers = {{200, "It is gone.", object_schema({{"removed", text()}, {"dry_run", boolean(), false}})}},
       .errors = {"namespace_unknown", "namespace_in_use", "root_undeletable"}},
  };
  return namespaces;
}

}  // namespace egress::server::openapi
