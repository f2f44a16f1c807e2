// The lists of namespaces. A list is rewritten only where it differs from what is stored, because each row of it is
// indexed once for every ancestor; positions are ordered but not dense, so that an insertion moves nobody.

#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::int64_t kPositionStep = std::int64_t{1} << 20;

// Where the lists differ, between what they begin and end with in common.
struct Difference {
  std::size_t first = 0;
  std::size_t stored_end = 0;
  std::size_t wanted_end = 0;
};

template <typename Stored>
Difference find_difference(const std::vector<Stored>& stored, const std::vector<DomainEntry>& wanted) {
  Difference range{0, stored.size(), wanted.size()};
  while (range.first < range.stored_end && range.first < range.wanted_end &&
         stored[range.first].entry == wanted[range.first]) {
    ++range.first;
  }
  while (range.stored_end > range.first && range.wanted_end > range.first &&
         stored[range.stored_end - 1].entry == wanted[range.wanted_end - 1]) {
    --range.stored_end;
    --range.wanted_end;
  }
  return range;
}

}  // namespace

std::vector<SqliteTransaction::PlacedEntry> SqliteTransaction::read_list(std::string_view path, Action action) {
  Query query(connection_,
              "SELECT position, pattern, reason, expires_at_ms FROM namespace_domains WHERE namespace = ? AND "
              "action = ? ORDER BY position");
  query.bind(path).bind(static_cast<std::int64_t>(action));
  std::vector<PlacedEntry> list;
  while (query.step()) {
    PlacedEntry placed;
    placed.position = query.integer();
    placed.entry.pattern = read_pattern(query.text());
    placed.entry.reason = query.text();
    placed.entry.expires_at_ms = query.optional_integer();
    list.push_back(std::move(placed));
  }
  return list;
}

void SqliteTransaction::put_list(const std::string& path, Action action, const std::vector<DomainEntry>& entries) {
  const std::vector<PlacedEntry> stored = read_list(path, action);
  Difference range = find_difference(stored, entries);
  const std::int64_t low = range.first == 0 ? 0 : stored[range.first - 1].position;
  const auto added = static_cast<std::int64_t>(range.wanted_end - range.first);
  std::int64_t step = kPositionStep;
  if (range.stored_end < stored.size()) {
    step = (stored[range.stored_end].position - low) / (added + 1);
    if (added > 0 && step == 0) {  // no room: what follows moves, too
      range.stored_end = stored.size();
      range.wanted_end = entries.size();
      step = kPositionStep;
    }
  }
  for (std::size_t i = range.first; i < range.stored_end; ++i) remove_entry(path, action, stored[i]);
  std::int64_t position = low;
  for (std::size_t i = range.first; i < range.wanted_end; ++i) {
    position += step;
    insert_entry(path, action, {position, entries[i]});
  }
}

void SqliteTransaction::insert_entry(const std::string& path, Action action, const PlacedEntry& placed) {
  const std::string pattern = format_host_pattern(placed.entry.pattern);
  Query(connection_, "INSERT INTO namespace_domains VALUES (?, ?, ?, ?, ?, ?)")
      .bind(path)
      .bind(static_cast<std::int64_t>(action))
      .bind(placed.position)
      .bind(pattern)
      .bind(placed.entry.reason)
      .bind(placed.entry.expires_at_ms)
      .run();
  if (action == Action::kAllow) index_allowed(path, placed.position, placed.entry);
}

void SqliteTransaction::remove_entry(const std::string& path, Action action, const PlacedEntry& placed) {
  Query(connection_, "DELETE FROM namespace_domains WHERE namespace = ? AND action = ? AND position = ?")
      .bind(path)
      .bind(static_cast<std::int64_t>(action))
      .bind(placed.position)
      .run();
  if (action == Action::kAllow) unindex_allowed(path, placed.position, placed.entry);
}

}  // namespace egress::server
