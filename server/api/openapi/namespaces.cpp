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
      {"cascade_state", names({"ok", "broken"})},
      {"broken", with_description(array_of(broken), "What ancestors no longer cover.")},
      {"created_at", time_schema()},
      {"updated_at", time_schema()},
      {"effective_allowed_domains",
       with_description(nullable(array_of(text())), "null: everything. Where it is asked for by name."), false},
      {"effective_blocked_domains", array_of(text()), false},
      {"broken_children", array_of(schema_of("CascadeWarning")), false},
      {"dry_run", boolean(), false},
      {"cascade_warnings", array_of(schema_of("CascadeWarning")), false},
      {"live_sessions", integer(0, kMaxInteger), false},
      {"note", with_description(text(), "What a quarantine leaves open."), false},
      {"warnings", array_of(text()), false},
  });
}

Json removed() {
  return object_schema({{"removed", text()},
                        {"live_sessions", integer(0, kMaxInteger), false},
                        {"note", text(), false},
                        {"dry_run", boolean(), false}});
}

}  // namespace

std::vector<Field> namespace_put_fields() {
  const Json domains = nullable(array_of(schema_of("DomainEntry"), kMaxDomainEntries));
  return {
      {"name", required_text(kMaxNameBytes)},
      {"description", nullable(text(kMaxDescriptionBytes)), false},
      {"allowed_domains", with_description(domains, "null inherits, [] allows nothing; absent keeps what is set."),
       false},
      {"blocked_domains", domains, false},
      {"mode", nullable(schema_of("Mode")), false},
      {"loopback", nullable(loopback()), false},
      {"lookups", nullable(lookups()), false},
      {"default_action", with_description(nullable(names({"deny", "allow"})), "Of the root alone."), false},
  };
}

Description describe_namespaces() {
  Description namespaces;
  namespaces.schemas = {{"Namespace", view()},
                        {"NamespacePut", object_schema(namespace_put_fields())},
                        {"NamespacePage", page_of("Namespace")}};
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
       .answers = {{200, "It is gone.", removed()}},
       .errors = {"namespace_unknown", "namespace_in_use", "root_undeletable"}},
  };
  return namespaces;
}

}  // namespace egress::server::openapi
