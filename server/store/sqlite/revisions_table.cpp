#include <algorithm>
#include <charconv>

#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kModeKey = "mode";
constexpr std::string_view kEgressRevisionKey = "egress_revision";
constexpr std::string_view kDocumentsRevisionKey = "documents_revision";
constexpr std::string_view kExpiryWatermarkKey = "expiry_watermark_ms";

constexpr std::string_view kColumns =
    "SELECT number, time_ms, actor, summary, (SELECT count(*) FROM revision_changes WHERE revision = number) FROM "
    "revisions";

RevisionRecord read_revision(Query& query) {
  RevisionRecord record;
  record.number = query.unsigned_integer();
  record.time_ms = query.integer();
  record.actor = query.text();
  record.summary = query.text();
  record.changes = static_cast<std::size_t>(query.unsigned_integer());
  return record;
}

}  // namespace

std::optional<std::string> SqliteTransaction::find_setting(std::string_view key) {
  Query query(connection_, "SELECT value FROM settings WHERE key = ?");
  query.bind(key);
  if (!query.step()) return std::nullopt;
  return query.text();
}

void SqliteTransaction::put_setting(std::string_view key, std::string_view value) {
  Query(connection_, "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
      .bind(key)
      .bind(value)
      .run();
}

std::uint64_t SqliteTransaction::revision() {
  Query query(connection_, "SELECT max(number) FROM revisions");
  return query.step() ? query.unsigned_integer() : 0;
}

std::optional<std::uint64_t> SqliteTransaction::find_number_setting(std::string_view key) {
  const auto text = find_setting(key);
  if (!text) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (code != std::errc{} || end != text->data() + text->size()) connection_.set_failure(SQLITE_CORRUPT);
  return number;
}

std::uint64_t SqliteTransaction::egress_revision() { return find_number_setting(kEgressRevisionKey).value_or(0); }

std::uint64_t SqliteTransaction::documents_revision() { return find_number_setting(kDocumentsRevisionKey).value_or(0); }

std::optional<Mode> SqliteTransaction::server_mode() {
  const auto text = find_setting(kModeKey);
  if (!text) return std::nullopt;
  const auto mode = find_mode(*text);
  if (!mode) connection_.set_failure(SQLITE_CORRUPT);
  return mode;
}

std::uint64_t SqliteTransaction::bump_revision(UnixMillis now_ms, std::string_view actor, std::string_view summary) {
  return raise_revision(0, now_ms, actor, summary);
}

std::uint64_t SqliteTransaction::raise_revision(std::uint64_t at_least, UnixMillis now_ms, std::string_view actor,
                                                std::string_view summary) {
  const std::uint64_t number = std::max(revision() + 1, at_least);
  Query(connection_, "INSERT INTO revisions VALUES (?, ?, ?, ?)")
      .bind(number)
      .bind(now_ms)
      .bind(actor)
      .bind(summary)
      .run();
  return number;
}

void SqliteTransaction::touch_egress(std::uint64_t revision) {
  put_setting(kEgressRevisionKey, std::to_string(revision));
}

void SqliteTransaction::touch_documents(std::uint64_t revision) {
  put_setting(kDocumentsRevisionKey, std::to_string(revision));
}

std::optional<RevisionRecord> SqliteTransaction::find_revision(std::uint64_t number) {
  Query query(connection_, std::string(kColumns) + " WHERE number = ?");
  query.bind(number);
  if (!query.step()) return std::nullopt;
  return read_revision(query);
}

RowPage<RevisionRecord> SqliteTransaction::revisions(std::optional<std::uint64_t> before, std::size_t limit) {
  Query query(connection_, std::string(kColumns) + " WHERE ?1 IS NULL OR number < ?1 ORDER BY number DESC LIMIT ?2");
  std::optional<std::int64_t> bound;
  if (before) bound = static_cast<std::int64_t>(*before);
  query.bind(bound).bind(static_cast<std::int64_t>(limit + 1));
  PageFiller<RevisionRecord> page(limit);
  while (query.step()) {
    RevisionRecord record = read_revision(query);
    const std::size_t size = sizeof record + record.actor.size() + record.summary.size();
    if (!page.add(std::move(record), size)) break;
  }
  return page.take();
}

std::vector<RevisionChange> SqliteTransaction::revision_changes(std::uint64_t first, std::uint64_t last) {
  Query query(connection_,
              "SELECT revision, kind, subject, before, after FROM revision_changes WHERE revision >= ? AND "
              "revision <= ? ORDER BY revision, position");
  query.bind(first).bind(last);
  std::vector<RevisionChange> changes;
  while (query.step()) {
    RevisionChange change;
    change.revision = query.unsigned_integer();
    change.kind = query.text();
    change.subject = query.text();
    change.before = query.optional_text();
    change.after = query.optional_text();
    changes.push_back(std::move(change));
  }
  return changes;
}

std::optional<std::uint64_t> SqliteTransaction::first_recorded_revision() {
  Query query(connection_, "SELECT min(revision) FROM revision_changes");
  if (!query.step()) return std::nullopt;
  const auto number = query.optional_integer();
  if (!number) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<UnixMillis> SqliteTransaction::expiry_watermark() {
  const auto number = find_number_setting(kExpiryWatermarkKey);
  if (!number) return std::nullopt;
  return static_cast<UnixMillis>(*number);
}

void SqliteTransaction::set_expiry_watermark(UnixMillis time_ms) {
  put_setting(kExpiryWatermarkKey, std::to_string(time_ms));
}

void SqliteTransaction::add_revision_change(const RevisionChange& change) {
  Query(connection_,
        "INSERT INTO revision_changes VALUES (?1, (SELECT ifnull(max(position) + 1, 0) FROM revision_changes WHERE "
        "revision = ?1), ?2, ?3, ?4, ?5)")
      .bind(change.revision)
      .bind(change.kind)
      .bind(change.subject)
      .bind(change.before)
      .bind(change.after)
      .run();
}

void SqliteTransaction::set_server_mode(Mode mode) { put_setting(kModeKey, name_of(mode)); }

}  // namespace egress::server
