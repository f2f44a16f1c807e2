#include "server/store/sqlite/integrity.h"

namespace egress::server {
namespace {

constexpr int kMaxFindings = 5;

Expected<void> as_corrupt(const std::string& findings) {
  return fail(ErrorCode::kCorrupt, "the database is corrupt: " + findings);
}

}  // namespace

Expected<void> check_integrity(Connection& connection) {
  connection.clear_failure();
  std::string findings;
  const auto add = [&](const std::string& finding) { findings += (findings.empty() ? "" : "; ") + finding; };
  {
    Query query(connection, "PRAGMA integrity_check(" + std::to_string(kMaxFindings) + ")");
    while (query.step()) {
      const std::string line = query.text();
      if (line != "ok") add(line);
    }
  }
  if (findings.empty() && !connection.failure()) {
    Query query(connection, "PRAGMA foreign_key_check");
    for (int found = 0; found < kMaxFindings && query.step(); ++found) {
      const std::string table = query.text();
      (void)query.optional_integer();  // the row's id; most tables have none
      add("a row of " + table + " refers to one of " + query.text() + " that is not there");
    }
  }
  if (!findings.empty()) return as_corrupt(findings);
  if (connection.failure()) return tl::unexpected(*connection.failure());
  return {};
}

}  // namespace egress::server
