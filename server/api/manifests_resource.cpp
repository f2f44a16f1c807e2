#include "server/api/manifests_resource.h"

#include "server/api/fields.h"
#include "server/service/document_kinds.h"
#include "server/service/json_values.h"
#include "server/service/manifest_refusals.h"
#include "server/service/namespace_write.h"
#include "shared/manifest/node.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;
// What one manifest may hold, so that each page of an export can be applied.
constexpr std::size_t kMaxExport = kMaxManifestDocuments;
constexpr std::size_t kMaxExportBytes = kMaxManifestTextBytes;

template <typename T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json render_item(const ListedDocument& document) {
  Json item = Json::object();
  item["kind"] = document.kind;
  item["namespace"] = document.namespace_path;
  item["name"] = document.name;
  item["source"] = document.source;
  item["line"] = value_or_null(document.line);
  item["created_by"] = value_or_null(document.created_by);
  item["created_at"] = format_time(document.created_at_ms);
  item["updated_at"] = time_or_null(document.updated_at_ms);
  item["revision"] = value_or_null(document.revision);
  return item;
}

Response render_json_page(const ManifestListing::Page& page) {
  Json body = Json::object();
  body["items"] = Json::array();
  for (const ListedDocument& document : page.items) body["items"].push_back(render_item(document));
  body["next_cursor"] = value_or_null(page.next_after);
  return json_response(200, body);
}

std::string percent_encode(const std::string& text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

// A stream that POST accepts. A page that is not the last says so in a header, since YAML has no place for it.
Response render_yaml_page(const ManifestListing::Page& page) {
  Response response;
  response.content_type = "application/yaml";
  for (const ListedDocument& document : page.items) {
    if (!document.source.starts_with("---")) response.body += "---\n";
    response.body += document.source;
  }
  if (page.next_after) response.headers.emplace_back("Egress-Next-Cursor", percent_encode(*page.next_after));
  return response;
}

bool wants_yaml(QueryFields& query, const Request& request) {
  const auto format = query.text("format");
  if (!format) return request.accept.find("yaml") != std::string::npos;
  if (*format != "yaml" && *format != "json") query.refuse("format", "expected yaml or json");
  return *format == "yaml";
}

std::optional<std::string> read_namespace(QueryFields& query) {
  auto path = query.text("namespace");
  if (!path || path->empty()) return path;
  if (const auto parsed = parse_namespace_path(*path); !parsed) query.refuse("namespace", parsed.error().message);
  return path;
}

// Cursors are the keys of the listing: a kind, a namespace and a name, parted by line breaks.
bool is_cursor(const std::string& text) {
  const auto kind_end = text.find('\n');
  return kind_end != std::string::npos && find_document_kind(text.substr(0, kind_end)) &&
         text.find('\n', kind_end + 1) != std::string::npos;
}

Json render_applied(const ManifestResult& result) {
  Json list = Json::array();
  for (const AppliedDocument& document : result.applied) {
    Json item = Json::object();
    item["kind"] = document.kind;
    item["namespace"] = document.namespace_path;
    item["name"] = document.name;
    item["result"] = name_of(document.result);
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace

Result<Response> apply_manifest(Manifests& manifests, const Request& request) {
  QueryFields query(request);
  ManifestPut put;
  put.text = request.body;
  put.default_namespace = read_namespace(query).value_or("");
  put.force = query.flag("force");
  put.dry_run = query.flag("dry_run");
  put.actor = request.principal;
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto result = manifests.apply(put);
  if (!result) return tl::unexpected(result.error());
  Json answer = Json::object();
  answer["applied"] = render_applied(*result);
  answer["warnings"] = render_problems(result->warnings);
  answer["restricts"] = result->restricts;
  if (!result->cascade_warnings.empty()) answer["cascade_warnings"] = render_cascade(result->cascade_warnings);
  if (put.dry_run) answer["dry_run"] = true;
  return json_response(200, answer);
}

Result<Response> list_manifests(ManifestListing& listing, const Request& request) {
  QueryFields query(request);
  DocumentFilter filter;
  filter.kind = query.text("kind");
  if (filter.kind && !find_document_kind(*filter.kind)) query.refuse("kind", "expected one of " + document_kinds());
  filter.namespace_path = read_namespace(query);
  filter.name = query.text("name");
  const std::string cursor = query.text("cursor").value_or("");
  if (!cursor.empty() && !is_cursor(cursor)) query.refuse("cursor", "expected the next_cursor of a page");
  const bool yaml = wants_yaml(query, request);
  const std::size_t limit = yaml ? query.limit(kMaxExport, kMaxExport) : query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (filter.namespace_path && !filter.namespace_path->empty()) {
    if (auto seen = require_sight(request.principal, *filter.namespace_path); !seen) {
      return tl::unexpected(seen.error());
    }
  }
  const auto page = listing.list(request.principal, filter, cursor, limit, yaml ? kMaxExportBytes : kMaxPageBytes);
  if (!page) return tl::unexpected(page.error());
  return yaml ? render_yaml_page(*page) : render_json_page(*page);
}

Result<Response> remove_manifest(Manifests& manifests, const Request& request) {
  QueryFields query(request);
  DocumentRemoval removal;
  removal.kind = query.required_text("kind");
  removal.namespace_path = read_namespace(query).value_or("");
  removal.name = query.required_text("name");
  removal.force = query.flag("force");
  removal.dry_run = query.flag("dry_run");
  removal.actor = request.principal;
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto removed = manifests.remove(removal);
  if (!removed) return tl::unexpected(removed.error());
  Json answer = Json::object();
  answer["removed"] = *removed;
  if (removal.dry_run) answer["dry_run"] = true;
  return json_response(200, answer);
}

}  // namespace egress::server
