#include "server/store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

using Done = Expected<int>;

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteStoreTest() : path_(directory_.path() + "/egress.db") { reopen(); }

  void reopen() {
    store_.reset();
    auto opened = SqliteStore::open(path_, 2);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }

  template <typename Body>
  void write(Body body) {
    const auto done = store_->write([&](Writer& writer) -> Done {
      body(writer);
      return 0;
    });
    ASSERT_TRUE(done) << done.error().message;
  }

  template <typename Body>
  auto read(Body body) {
    return store_->read(body).value();
  }

  static HostPattern pattern(const std::string& text) { return parse_host_pattern(text).value().pattern; }

  TemporaryDirectory directory_;
  std::string path_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(SqliteStoreTest, EgressEntriesSurviveReopening) {
  EgressEntry entry{Action::kAllow, pattern("*.example.com"), "why", true, 123, "me", 7};
  write([&](Writer& writer) { writer.put_egress_entry(entry); });
  reopen();
  const auto entries = read([](Reader& reader) { return reader.egress_entries(); });
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].pattern, entry.pattern);
  EXPECT_EQ(entries[0].reason, "why");
  EXPECT_TRUE(entries[0].require_auth);
  EXPECT_EQ(entries[0].expires_at_ms, 123);
  EXPECT_EQ(entries[0].created_by, "me");
}

TEST_F(SqliteStoreTest, AnUpdateKeepsWhoCreatedAnEntry) {
  write([&](Writer& writer) { writer.put_egress_entry({Action::kDeny, pattern("a.b"), "1", false, {}, "first", 1}); });
  write([&](Writer& writer) { writer.put_egress_entry({Action::kDeny, pattern("a.b"), "2", false, {}, "second", 2}); });
  const auto stored = read([&](Reader& reader) { return reader.find_egress_entry(Action::kDeny, pattern("a.b")); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->reason, "2");
  EXPECT_EQ(stored->created_by, "first");
  EXPECT_EQ(stored->created_at_ms, 1);
}

TEST_F(SqliteStoreTest, NamespacesKeepListsInOrderAndTellNullFromEmpty) {
  NamespaceRecord full;
  full.path = "prod";
  full.allowed = std::vector<DomainEntry>{{pattern("z.example"), "r", 5}, {pattern("10.0.0.0/8"), "", {}}};
  full.blocked = {{pattern("b.example"), "", {}}};
  full.mode = Mode::kDiscovery;
  full.lookups = LookupMode::kListed;
  full.revision = 9;
  NamespaceRecord inherits;
  inherits.path = "prod/a";
  NamespaceRecord quarantine;
  quarantine.path = "prod/b";
  quarantine.allowed.emplace();
  write([&](Writer& writer) {
    for (const auto& record : {full, inherits, quarantine}) writer.put_namespace(record);
  });
  const auto stored = read([](Reader& reader) { return reader.find_namespace("prod"); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->allowed, full.allowed);
  EXPECT_EQ(stored->blocked, full.blocked);
  EXPECT_EQ(stored->mode, Mode::kDiscovery);
  EXPECT_EQ(stored->loopback, std::nullopt);
  EXPECT_EQ(stored->lookups, LookupMode::kListed);
  EXPECT_EQ(stored->revision, 9U);
  EXPECT_FALSE(read([](Reader& reader) { return reader.find_namespace("prod/a"); })->allowed);
  EXPECT_TRUE(read([](Reader& reader) { return reader.find_namespace("prod/b"); })->allowed->empty());
}

TEST_F(SqliteStoreTest, DescendantsAreStrictlyBelowAndNotMerelyAlike) {
  write([](Writer& writer) {
    for (const char* path : {"/", "prod", "prod-eu", "prod/a", "prod/a/b", "prod0", "staging"}) {
      NamespaceRecord record;
      record.path = path;
      writer.put_namespace(record);
    }
  });
  const auto paths = [&](const std::string& of) {
    std::vector<std::string> found;
    for (const auto& record : read([&](Reader& reader) { return reader.descendants(of); }))
      found.push_back(record.path);
    return found;
  };
  EXPECT_EQ(paths("prod"), (std::vector<std::string>{"prod/a", "prod/a/b"}));
  EXPECT_EQ(paths("/").size(), 6U);
  EXPECT_TRUE(paths("staging").empty());
  EXPECT_EQ(read([](Reader& reader) { return reader.descendant_paths("prod", 1); }),
            std::vector<std::string>{"prod/a"});
  EXPECT_EQ(read([](Reader& reader) { return reader.descendant_paths("/", 100); }), paths("/"));
  EXPECT_TRUE(read([](Reader& reader) { return reader.has_descendants("prod"); }));
  EXPECT_FALSE(read([](Reader& reader) { return reader.has_descendants("prod/a/b"); }));
}

TEST_F(SqliteStoreTest, AWriteThatIsRefusedOrDiscardedLeavesNothing) {
  const auto refused = store_->write([](Writer& writer) -> Done {
    writer.bump_revision(1, "me", "x");
    return fail(ErrorCode::kConflict, "no");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "no");
  write([](Writer& writer) {
    writer.bump_revision(1, "me", "x");
    writer.discard();
  });
  EXPECT_EQ(read([](Reader& reader) { return reader.revision(); }), 0U);
}

TEST_F(SqliteStoreTest, AFailureInsideIsTheResultWhateverTheBodyMakesOfIt) {
  const auto done = store_->write([](Writer& writer) -> Done {
    AuditRow row;
    row.seq = 1;
    writer.append_audit_row(row);
    writer.append_audit_row(row);  // the same primary key
    EXPECT_EQ(writer.last_audit_row(), std::nullopt) << "everything after a failure answers with nothing";
    return 0;
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(read([](Reader& reader) { return reader.last_audit_row().has_value(); }), false);
  write([](Writer& writer) { EXPECT_EQ(writer.bump_revision(1, "me", "x"), 1U); });
}

TEST_F(SqliteStoreTest, TheAuditIsAppendOnlyEvenForSql) {
  write([](Writer& writer) {
    AuditRow row;
    row.seq = 1;
    row.event = "e";
    writer.append_audit_row(row);
  });
  auto connection = Connection::open(path_, Connection::Access::kReadWrite);
  ASSERT_TRUE(connection);
  EXPECT_FALSE((*connection)->execute("UPDATE audit SET event = 'other'"));
  EXPECT_FALSE((*connection)->execute("DELETE FROM audit"));
  EXPECT_EQ(read([](Reader& reader) { return reader.last_audit_row(); })->event, "e");
}

class AuditFilterTest : public SqliteStoreTest {
 protected:
  AuditFilterTest() {
    write([](Writer& writer) {
      for (std::uint64_t seq = 1; seq <= 6; ++seq) {
        AuditRow row;
        row.seq = seq;
        row.time_ms = static_cast<UnixMillis>(seq * 1000);
        row.event = seq % 2 == 0 ? "denied" : "allow";
        row.namespace_path = seq > 3 ? "prod" : "dev";
        row.subject = "host-" + std::to_string(seq);
        row.detail = seq == 5 ? R"({"note":"100%_sure"})" : "{}";
        if (seq % 2 == 0) {
          row.workload = "web";
          row.host = row.subject;
          row.verdict = "deny";
          row.layer = "egress";
        }
        writer.append_audit_row(row);
      }
    });
  }

  std::vector<std::uint64_t> find(AuditFilter filter) {
    if (filter.limit == 0) filter.limit = 100;
    std::vector<std::uint64_t> seqs;
    for (const auto& row : read([&](Reader& reader) { return reader.audit_rows(filter).rows; }))
      seqs.push_back(row.seq);
    return seqs;
  }
};

using Seqs = std::vector<std::uint64_t>;

TEST_F(AuditFilterTest, EachFilterSelectsNewestFirst) {
  EXPECT_EQ(find({}), (Seqs{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(find({.event = "denied"}), (Seqs{6, 4, 2}));
  EXPECT_EQ(find({.namespace_path = "prod"}), (Seqs{6, 5, 4}));
  EXPECT_EQ(find({.workload = "web"}), (Seqs{6, 4, 2}));
  EXPECT_EQ(find({.host = "host-4"}), (Seqs{4}));
  EXPECT_EQ(find({.verdict = "deny"}), (Seqs{6, 4, 2}));
  EXPECT_EQ(find({.layer = "egress"}), (Seqs{6, 4, 2}));
  EXPECT_EQ(find({.since_ms = 3000, .until_ms = 5000}), (Seqs{4, 3}));
  EXPECT_EQ(find({.text = "HOST-2"}), (Seqs{2}));
  EXPECT_EQ(find({.before_seq = 3}), (Seqs{2, 1}));
  EXPECT_EQ(find({.limit = 2}), (Seqs{6, 5}));
}

TEST_F(AuditFilterTest, FiltersCombineAndTextIsLiteral) {
  EXPECT_EQ(find({.event = "denied", .namespace_path = "prod", .until_ms = 6000}), (Seqs{4}));
  EXPECT_EQ(find({.text = "100%_s"}), (Seqs{5}));
  EXPECT_EQ(find({.text = "1%s"}), (Seqs{}));
}

TEST_F(SqliteStoreTest, TelemetryIsDeduplicatedByEventIdWithinASignal) {
  TelemetryRow row;
  row.event_id = "id";
  TelemetryRow anonymous;
  write([&](Writer& writer) {
    EXPECT_TRUE(writer.add_telemetry(row));
    EXPECT_FALSE(writer.add_telemetry(row));
    EXPECT_TRUE(writer.add_telemetry(anonymous));
    EXPECT_TRUE(writer.add_telemetry(anonymous)) << "a record without an id is never a duplicate";
    row.signal = Signal::kTraces;
    EXPECT_TRUE(writer.add_telemetry(row));
  });
  TelemetryFilter filter;
  filter.limit = 10;
  EXPECT_EQ(read([&](Reader& reader) { return reader.telemetry(filter).rows; }).size(), 3U);
}

TEST_F(SqliteStoreTest, TelemetryIsFilteredByWholeAttributes) {
  const auto attributes = [](const std::string& key, const std::string& value) {
    return std::string(1, kAttributeMark) + "x" + kValueMark + "1" + kAttributeMark + key + kValueMark + value +
           kAttributeMark;
  };
  write([&](Writer& writer) {
    TelemetryRow row;
    row.attributes = attributes("reason", "policy");
    writer.add_telemetry(row);
    row.attributes = attributes("reason", "policy-2");
    writer.add_telemetry(row);
  });
  const auto count = [&](std::vector<std::pair<std::string, std::string>> wanted) {
    TelemetryFilter filter;
    filter.limit = 10;
    filter.attributes = std::move(wanted);
    return read([&](Reader& reader) { return reader.telemetry(filter).rows; }).size();
  };
  EXPECT_EQ(count({{"reason", "policy"}}), 1U);
  EXPECT_EQ(count({{"x", "1"}}), 2U);
  EXPECT_EQ(count({{"x", "1"}, {"reason", "policy-2"}}), 1U);
  EXPECT_EQ(count({{"son", "policy"}}), 0U);
}

TEST_F(SqliteStoreTest, APageIsBoundedInRowsAndInBytes) {
  constexpr std::size_t kRowBytes = kMaxPageBytes / 2;
  write([&](Writer& writer) {
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
      AuditRow row;
      row.seq = seq;
      row.detail = std::string(seq == 1 ? 2 * kMaxPageBytes : kRowBytes, 'x');
      writer.append_audit_row(row);
    }
  });
  AuditFilter filter;
  const auto page = [&](std::size_t limit, std::optional<std::uint64_t> before) {
    filter.limit = limit;
    filter.before_seq = before;
    const auto rows = read([&](Reader& reader) { return reader.audit_rows(filter); });
    return std::pair(rows.rows.size(), rows.more);
  };
  EXPECT_EQ(page(10, {}), std::pair(std::size_t{1}, true)) << "two halves and their overhead are more than a page";
  EXPECT_EQ(page(10, 3), std::pair(std::size_t{1}, true));
  EXPECT_EQ(page(10, 2), std::pair(std::size_t{1}, false)) << "a row larger than a page is a page of its own";
  EXPECT_EQ(page(10, 1), std::pair(std::size_t{0}, false));
  EXPECT_EQ(page(1, {}), std::pair(std::size_t{1}, true));
}

TEST_F(SqliteStoreTest, AReadThatTakesTooLongFailsAndTheNextOneWorks) {
  auto opened = SqliteStore::open(directory_.path() + "/other.db", 1, std::chrono::milliseconds(0));
  ASSERT_TRUE(opened);
  const auto fill = (*opened)->write([](Writer& writer) -> Done {
    for (std::uint64_t seq = 1; seq <= 20'000; ++seq) {
      AuditRow row;
      row.seq = seq;
      writer.append_audit_row(row);
    }
    return 0;
  });
  ASSERT_TRUE(fill) << "writes have no such limit";
  AuditFilter filter;
  filter.limit = 1;
  filter.text = "not there";
  const auto slow = (*opened)->read([&](Reader& reader) { return reader.audit_rows(filter); });
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE((*opened)->read([](Reader& reader) { return reader.revision(); }));
}

TEST_F(SqliteStoreTest, RuleUsesAddUpWithoutOverflow) {
  write([](Writer& writer) {
    writer.add_rule_use("egress", {"allow a", 2, 10});
    writer.add_rule_use("egress", {"allow a", 3, 5});
    for (int i = 0; i < 3; ++i) writer.add_rule_use("egress", {"allow b", std::uint64_t{1} << 60, 1});
  });
  const auto uses = read([](Reader& reader) { return reader.rule_uses("egress"); });
  ASSERT_EQ(uses.size(), 2U);
  EXPECT_EQ(uses[0].hits, 5U);
  EXPECT_EQ(uses[0].last_used_ms, 10);
  EXPECT_EQ(uses[1].hits, std::uint64_t{1} << 60);
}

TEST_F(SqliteStoreTest, ConcurrentWritersEachGetTheirOwnRevision) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 25;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kWrites; ++n) {
        const auto done =
            store_->write([](Writer& writer) -> Expected<std::uint64_t> { return writer.bump_revision(1, "me", "x"); });
        EXPECT_TRUE(done);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(read([](Reader& reader) { return reader.revision(); }), std::uint64_t{kThreads * kWrites});
}

TEST_F(SqliteStoreTest, AReadSeesOneSnapshot) {
  const auto seen = store_->read([&](Reader& reader) {
    const auto before = reader.revision();
    std::thread writer([&] { write([](Writer& inner) { inner.bump_revision(1, "me", "x"); }); });
    writer.join();
    return std::pair(before, reader.revision());
  });
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->first, seen->second);
}

TEST_F(SqliteStoreTest, DocumentsAreFoundByAnyPartOfTheirIdentity) {
  const auto document = [](const std::string& kind, const std::string& path, const std::string& name) {
    DocumentRecord record;
    record.kind = kind;
    record.namespace_path = path;
    record.name = name;
    record.source = "text of " + name;
    record.first_line = 7;
    record.created_by = "me";
    record.created_at_ms = record.updated_at_ms = 1;
    record.revision = 2;
    return record;
  };
  write([&](Writer& writer) {
    for (const auto& [kind, path, name] : {std::tuple("B", "/", "x"), {"A", "prod", "y"}, {"A", "", "x"}}) {
      writer.put_document(document(kind, path, name));
    }
    DocumentRecord again = document("B", "/", "x");
    again.source = "newer";
    again.created_by = "you";
    again.created_at_ms = again.updated_at_ms = 5;
    writer.put_document(again);
    writer.touch_documents(9);
  });
  const auto names = [&](const DocumentFilter& filter) {
    std::vector<std::string> found;
    read([&](Reader& reader) {
      for (const DocumentRecord& one : reader.documents(filter))
        found.push_back(one.kind + one.namespace_path + one.name);
      return 0;
    });
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), (Names{"Ax", "Aprody", "B/x"}));
  EXPECT_EQ(names({"A", {}, {}}), (Names{"Ax", "Aprody"}));
  EXPECT_EQ(names({{}, "", {}}), Names{"Ax"});
  EXPECT_EQ(names({{}, {}, "x"}), (Names{"Ax", "B/x"}));
  const auto stored = read([](Reader& reader) { return reader.documents({"B", "/", "x"}); });
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].source, "newer");
  EXPECT_EQ(stored[0].created_by, "me") << "who made it stays";
  EXPECT_EQ(stored[0].created_at_ms, 1);
  EXPECT_EQ(stored[0].updated_at_ms, 5);
  EXPECT_EQ(read([](Reader& reader) { return reader.documents_revision(); }), 9U);
  write([](Writer& writer) {
    EXPECT_TRUE(writer.remove_document("B", "/", "x"));
    EXPECT_FALSE(writer.remove_document("B", "/", "x"));
  });
  EXPECT_EQ(names({"B", {}, {}}), Names{});
}

}  // namespace
}  // namespace egress::server
