#include <charconv>

#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kModeKey = "mode";
constexpr std::string_view kEgressRevisionKey = "egress_revision";
constexpr std::string_view kDocumentsRevisionKey = "documents_revision";

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

std::uint64_t SqliteTransaction::find_revision_setting(std::string_view key) {
  const auto text = find_setting(key);
  if (!text) return 0;
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (code != std::errc{} || end != text->data() + text->size()) connection_.set_failure(SQLITE_CORRUPT);
  return number;
}

std::uint64_t SqliteTransaction::egress_revision() { return find_revision_setting(kEgressRevisionKey); }

std::uint64_t SqliteTransaction::documents_revision() { return find_revision_setting(kDocumentsRevisionKey); }

std::optional<Mode> SqliteTransaction::server_mode() {
  const auto text = find_setting(kModeKey);
  if (!text) return std::nullopt;
  const auto mode = find_mode(*text);
  if (!mode) connection_.set_failure(SQLITE_CORRUPT);
  return mode;
}

std::uint64_t SqliteTransaction::bump_revision(UnixMillis now_ms, std::string_view actor, std::string_view summary) {
  const std::uint64_t number = revision() + 1;
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

void SqliteTransaction::set_server_mode(Mode mode) { put_setting(kModeKey, name_of(mode)); }

}  // namespace egress::server
