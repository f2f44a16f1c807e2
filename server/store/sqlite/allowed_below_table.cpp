// Each allow entry once for every ancestor of its namespace, by search key: what a namespace's list leaves uncovered
// below it is found by walking the keys between those that the list covers, however many entries there are. The price
// is a row an ancestor. Ancestors are those of the path; they need not exist.
#include <algorithm>
#include <tuple>

#include "server/store/sqlite/search_key.h"
#include "server/store/sqlite/transaction.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

// Stepping over this many covered rows costs about what finding the next place in the tree does.
constexpr int kRowsBeforeSeek = 16;

struct UncoveredRow {
  std::string namespace_path;
  std::int64_t position = 0;
  HostPattern pattern;
  std::optional<UnixMillis> expires_at_ms;
};

std::vector<AllowedEntry> in_order(std::vector<UncoveredRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const UncoveredRow& a, const UncoveredRow& b) {
    return std::tie(a.namespace_path, a.position) < std::tie(b.namespace_path, b.position);
  });
  std::vector<AllowedEntry> entries;
  entries.reserve(rows.size());
  for (UncoveredRow& row : rows) {
    entries.push_back({std::move(row.namespace_path), std::move(row.pattern), row.expires_at_ms});
  }
  return entries;
}

}  // namespace

std::vector<AllowedEntry> SqliteTransaction::uncovered_below(std::string_view path,
                                                             const std::vector<HostPattern>& by) {
  const KeyCoverage coverage(by);
  std::vector<UncoveredRow> found;
  std::string done;  // keys up to here are judged
  for (bool more = true; more;) {
    more = false;
    Query query(connection_,
                "SELECT search_key, namespace, position, expires_at_ms FROM allowed_below WHERE ancestor = ? AND "
                "search_key > ? ORDER BY search_key, namespace, position");
    query.bind(path).bind(done);
    std::string covered = done;
    std::string uncovered;  // the last key that was; `pattern` is what it stands for
    HostPattern pattern;
    int passed = 0;
    while (!more && query.step()) {
      std::string key = query.text();
      if (key <= covered) {
        more = ++passed == kRowsBeforeSeek;
        continue;
      }
      if (key != uncovered) {
        auto parsed = parse_search_key(key);
        if (!parsed) {
          connection_.set_failure(SQLITE_CORRUPT);
          break;
        }
        if (auto until = coverage.covered_until(*parsed, key)) {
          covered = *std::move(until);
          passed = 0;
          continue;
        }
        pattern = *std::move(parsed);
        uncovered = std::move(key);
      }
      UncoveredRow row;
      row.namespace_path = query.text();
      row.position = query.integer();
      row.pattern = pattern;
      row.expires_at_ms = query.optional_integer();
      found.push_back(std::move(row));
    }
    done = std::move(covered);
  }
  return in_order(std::move(found));
}

void SqliteTransaction::index_allowed(std::string_view path, std::int64_t position, const DomainEntry& entry) {
  const std::string key = search_key(entry.pattern);
  for (const std::string_view ancestor : ancestor_namespaces(path)) {
    Query(connection_, "INSERT INTO allowed_below VALUES (?, ?, ?, ?, ?)")
        .bind(ancestor)
        .bind(key)
        .bind(path)
        .bind(position)
        .bind(entry.expires_at_ms)
        .run();
  }
}

void SqliteTransaction::unindex_allowed(std::string_view path, std::int64_t position, const DomainEntry& entry) {
  const std::string key = search_key(entry.pattern);
  for (const std::string_view ancestor : ancestor_namespaces(path)) {
    Query(connection_,
          "DELETE FROM allowed_below WHERE ancestor = ? AND search_key = ? AND namespace = ? AND position = ?")
        .bind(ancestor)
        .bind(key)
        .bind(path)
        .bind(position)
        .run();
  }
}

}  // namespace egress::server
