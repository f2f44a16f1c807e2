#include "server/api/revisions_resource.h"

#include <charconv>

#include "server/api/fields.h"
#include "server/service/namespace_write.h"
#include "server/service/text_diff.h"
#include "shared/base/time_text.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;
constexpr std::size_t kMaxReasonBytes = 1024;
constexpr std::size_t kMaxDiffBytes = std::size_t{1} << 20;

Result<std::uint64_t> read_number(const Request& request) {
  const std::string& text = request.captures.front();
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr std::uint64_t kMax = std::uint64_t{1} << 62;
  if (code != std::errc{} || end != text.data() + text.size() || number > kMax) {
    return refuse_field("invalid_path", "revision", "expected the number of a revision");
  }
  return number;
}

Json render_head(const RevisionRecord& record) {
  Json item = Json::object();
  item["revision"] = record.number;
  item["time"] = format_time(record.time_ms);
  item["actor"] = record.actor;
  item["summary"] = record.summary;
  return item;
}

Json text_or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

Json render_changes(const std::vector<RevisionChange>& changes) {
  Json list = Json::array();
  for (const RevisionChange& change : changes) {
    Json item = Json::object();
    item["kind"] = change.kind;
    item["subject"] = change.subject;
    item["before"] = text_or_null(change.before);
    item["after"] = text_or_null(change.after);
    list.push_back(std::move(item));
  }
  return list;
}

// All changes as one text, which ends with a word about itself where it would grow too long.
std::string render_diff(const std::vector<RevisionChange>& changes) {
  constexpr const char* kNothing = "/dev/null";
  std::string text;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const RevisionChange& change = changes[i];
    const std::string name = change.kind + " " + change.subject;
    const std::string one = unified_diff(change.before ? name : kNothing, change.after ? name : kNothing,
                                         change.before.value_or(""), change.after.value_or(""));
    if (text.size() + one.size() > kMaxDiffBytes) {
      return text + "# " + std::to_string(changes.size() - i) + " more changes, too long to show as a diff\n";
    }
    text += one;
  }
  return text;
}

}  // namespace

Result<Response> list_revisions(Revisions& revisions, const Request& request) {
  QueryFields query(request);
  const auto before = query.number("cursor");
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto page = revisions.list(request.principal, before, limit);
  if (!page) return tl::unexpected(page.error());
  Json body = Json::object();
  body["items"] = Json::array();
  for (const RevisionRecord& record : page->items) {
    Json item = render_head(record);
    item["changes"] = record.changes;
    body["items"].push_back(std::move(item));
  }
  // A cursor is text everywhere.
  body["next_cursor"] = page->next_before ? Json(std::to_string(*page->next_before)) : Json(nullptr);
  return json_response(200, body);
}

Result<Response> get_revision(Revisions& revisions, const Request& request) {
  QueryFields query(request);
  const auto cursor = query.number("cursor");
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto number = read_number(request);
  if (!number) return tl::unexpected(number.error());
  const std::size_t first = static_cast<std::size_t>(cursor.value_or(0));
  const auto view = revisions.get(request.principal, *number, first, limit);
  if (!view) return tl::unexpected(view.error());
  Json body = render_head(view->record);
  body["changes"] = render_changes(view->changes);
  if (view->hidden > 0) body["hidden_changes"] = view->hidden;
  body["diff"] = render_diff(view->changes);
  const std::size_t shown = first + view->changes.size();
  body["next_cursor"] = shown < view->visible ? Json(std::to_string(shown)) : Json(nullptr);
  return json_response(200, body);
}

Result<Response> roll_back_revision(Revisions& revisions, const Request& request) {
  QueryFields query(request);
  Rollback rollback;
  rollback.force = query.flag("force");
  rollback.dry_run = query.flag("dry_run");
  rollback.actor = request.principal;
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto number = read_number(request);
  if (!number) return tl::unexpected(number.error());
  rollback.number = *number;
  if (!request.body.empty()) {  // a reason is a courtesy
    const auto body = parse_body(request);
    if (!body) return tl::unexpected(body.error());
    ObjectFields fields(*body);
    rollback.reason = fields.text("reason", kMaxReasonBytes).value.value_or("");
    if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  }
  const auto result = revisions.roll_back(rollback);
  if (!result) return tl::unexpected(result.error());
  Json answer = Json::object();
  answer["changed"] = result->revision != 0;
  answer["revision"] = result->revision == 0 ? Json(nullptr) : Json(result->revision);
  answer["rolled_back_to"] = rollback.number;
  Json changes = Json::array();
  for (const RevisionChange& change : result->changes) {
    Json item = Json::object();
    item["kind"] = change.kind;
    item["subject"] = change.subject;
    changes.push_back(std::move(item));
  }
  answer["changes"] = std::move(changes);
  answer["diff"] = render_diff(result->changes);
  answer["cascade_warnings"] = render_cascade(result->cascade_warnings);
  answer["warnings"] = result->warnings;
  if (rollback.dry_run) answer["dry_run"] = true;
  return json_response(200, answer);
}

}  // namespace egress::server
