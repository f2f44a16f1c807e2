// Tokens, workloads and what revisions changed, as the store keeps them.
#include <gtest/gtest.h>

#include <array>

#include "server/store/sqlite/sqlite_store.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

class AccessTablesTest : public ::testing::Test {
 protected:
  template <typename Body>
  auto read(Body body) {
    return store_->read(body).value();
  }
  template <typename Body>
  void write(Body body) {
    const auto done = store_->write([&](Writer& writer) -> Expected<bool> {
      body(writer);
      return true;
    });
    ASSERT_TRUE(done) << done.error().message;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_ = SqliteStore::open(directory_.path() + "/egress.db", 2).value();
};

TokenRecord token(const std::string& id) {
  TokenRecord record;
  record.id = id;
  record.name = "ci";
  record.role = 1;
  record.namespace_path = "prod";
  record.sha256 = "hash of " + id;
  record.created_by = "me";
  record.created_at_ms = 5;
  return record;
}

TEST_F(AccessTablesTest, TokensKeepEveryFieldAndAreRevokedInPlace) {
  write([](Writer& writer) {
    TokenRecord record = token("b");
    record.kind = TokenKind::kWorkload;
    record.expires_at_ms = 77;
    writer.put_token(record);
    writer.put_token(token("a"));
  });
  auto tokens = read([](Reader& reader) { return reader.tokens(); });
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].id, "a");
  EXPECT_EQ(tokens[0].kind, TokenKind::kUser);
  EXPECT_FALSE(tokens[0].expires_at_ms);
  EXPECT_FALSE(tokens[0].revoked_at_ms);
  const TokenRecord& b = tokens[1];
  EXPECT_EQ(b.kind, TokenKind::kWorkload);
  EXPECT_EQ(std::tie(b.name, b.namespace_path, b.sha256, b.created_by), std::tuple("ci", "prod", "hash of b", "me"));
  EXPECT_EQ(b.role, 1);
  EXPECT_EQ(b.expires_at_ms, 77);
  EXPECT_EQ(b.created_at_ms, 5);

  write([&](Writer& writer) {
    TokenRecord revoked = b;
    revoked.revoked_at_ms = 99;
    writer.put_token(revoked);
  });
  EXPECT_EQ(read([](Reader& reader) { return reader.find_token("b"); })->revoked_at_ms, 99);
  EXPECT_FALSE(read([](Reader& reader) { return reader.find_token("c"); }));
}

TEST_F(AccessTablesTest, TwoTokensNeverShareASecret) {
  const auto done = store_->write([](Writer& writer) -> Expected<bool> {
    writer.put_token(token("a"));
    TokenRecord same = token("b");
    same.sha256 = token("a").sha256;
    writer.put_token(same);
    return true;
  });
  EXPECT_FALSE(done);
}

WorkloadRecord workload(const std::string& path, const std::string& name) {
  WorkloadRecord record;
  record.namespace_path = path;
  record.name = name;
  record.labels = {{"app", "web"}, {"tier", ""}};
  record.target = "deployment/web";
  record.token_id = "t";
  record.created_by = "me";
  record.created_at_ms = record.updated_at_ms = 1;
  return record;
}

TEST_F(AccessTablesTest, AWorkloadIsReplacedUnderItsIdentity) {
  write([](Writer& writer) {
    writer.put_workload(workload("prod", "web"));
    WorkloadRecord again = workload("prod", "web");
    again.labels = {{"app", "api"}};
    again.target = "";
    again.token_id = "u";
    again.created_by = "you";
    again.created_at_ms = again.updated_at_ms = 9;
    writer.put_workload(again);
  });
  const auto stored = read([](Reader& reader) { return reader.find_workload("prod", "web"); });
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->labels, (std::map<std::string, std::string>{{"app", "api"}}));
  EXPECT_EQ(stored->target, "");
  EXPECT_EQ(stored->token_id, "u");
  EXPECT_EQ(stored->created_by, "me") << "who made it stays";
  EXPECT_EQ(stored->created_at_ms, 1);
  EXPECT_EQ(stored->updated_at_ms, 9);
  write([](Writer& writer) {
    EXPECT_TRUE(writer.remove_workload("prod", "web"));
    EXPECT_FALSE(writer.remove_workload("prod", "web"));
    writer.put_workload(workload("prod", "web"));
  });
  EXPECT_EQ(read([](Reader& reader) { return reader.find_workload("prod", "web"); })->labels.size(), 2U);
}

TEST_F(AccessTablesTest, WorkloadsAreListedBySubtreePageByPage) {
  write([](Writer& writer) {
    for (const auto& [path, name] :
         {std::pair("prod/pay", "b"), {"prod", "z"}, {"prod", "a"}, {"production", "a"}, {"/", "a"}, {"dev", "a"}}) {
      writer.put_workload(workload(path, name));
    }
  });
  const auto list = [&](std::string_view subtree, std::string_view after_path, std::string_view after_name,
                        std::size_t limit) {
    const auto page = read([&](Reader& reader) { return reader.workloads(subtree, after_path, after_name, limit); });
    std::string text;
    for (const WorkloadRecord& record : page.rows) text += record.namespace_path + ":" + record.name + " ";
    return text + (page.more ? "more" : "end");
  };
  EXPECT_EQ(list("prod", "", "", 10), "prod:a prod:z prod/pay:b end");
  EXPECT_EQ(list("prod", "", "", 2), "prod:a prod:z more");
  EXPECT_EQ(list("prod", "prod", "z", 2), "prod/pay:b end");
  EXPECT_EQ(list("/", "", "", 10), "/:a dev:a prod:a prod:z prod/pay:b production:a end");
}

TEST_F(AccessTablesTest, UserTokensAreListedApart) {
  write([](Writer& writer) {
    writer.put_token(token("b"));
    TokenRecord of_workload = token("c");
    of_workload.kind = TokenKind::kWorkload;
    writer.put_token(of_workload);
    writer.put_token(token("a"));
  });
  const auto tokens = read([](Reader& reader) { return reader.user_tokens(); });
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].id + tokens[1].id, "ab");
}

constexpr std::array kTree = {"/", "dev", "prod", "prod/pay", "prod/pay-not", "prod/pay/eu", "production"};

TEST_F(AccessTablesTest, NamespacesAreListedBySubtreePageByPage) {
  write([](Writer& writer) {
    for (const char* path : kTree) {
      NamespaceRecord record;
      record.path = path;
      writer.put_namespace(record);
    }
  });
  const auto list = [&](std::string_view subtree, std::string_view after, std::size_t limit) {
    const auto page = read([&](Reader& reader) { return reader.namespaces_in(subtree, after, limit); });
    std::string text;
    for (const NamespaceRecord& record : page.rows) text += record.path + " ";
    return text + (page.more ? "more" : "end");
  };
  EXPECT_EQ(list("prod/pay", "", 10), "prod/pay prod/pay/eu end");
  EXPECT_EQ(list("prod", "", 2), "prod prod/pay more");
  EXPECT_EQ(list("prod", "prod/pay", 2), "prod/pay-not prod/pay/eu end");
  EXPECT_EQ(list("/", "", 10), "/ dev prod prod/pay prod/pay-not prod/pay/eu production end");
}

TEST_F(AccessTablesTest, AuditAndStatusesAreReadBySubtree) {
  write([](Writer& writer) {
    std::uint64_t seq = 0;
    for (const char* path : kTree) {
      AuditRow row;
      row.seq = ++seq;
      row.event = "e";
      row.namespace_path = path;
      row.detail = "{}";
      writer.append_audit_row(row);
      AgentStatus status;
      status.agent_id = "a" + std::to_string(seq);
      status.namespace_path = path;
      writer.put_agent_status(status);
    }
  });
  const auto audit = [&](std::optional<std::string> subtree) {
    AuditFilter filter;
    filter.subtree = std::move(subtree);
    filter.event = "e";
    filter.limit = 100;
    std::string text;
    for (const AuditRow& row : read([&](Reader& reader) { return reader.audit_rows(filter).rows; })) {
      text += row.namespace_path + " ";
    }
    return text;
  };
  EXPECT_EQ(audit("prod/pay"), "prod/pay/eu prod/pay ");
  EXPECT_EQ(audit("prod"), "prod/pay/eu prod/pay-not prod/pay prod ");
  EXPECT_EQ(audit("/"), audit(std::nullopt));
  const auto statuses = [&](std::string_view subtree) {
    std::string text;
    for (const AgentStatus& status :
         read([&](Reader& reader) { return reader.agent_statuses(subtree, "", 100).rows; })) {
      text += status.namespace_path + " ";
    }
    return text;
  };
  EXPECT_EQ(statuses("prod/pay"), "prod/pay prod/pay/eu ");
  EXPECT_EQ(statuses("/"), "/ dev prod prod/pay prod/pay-not prod/pay/eu production ");
}

TEST_F(AccessTablesTest, RevisionsAreListedNewestFirstWithWhatTheyChanged) {
  write([](Writer& writer) {
    for (const std::uint64_t expected : {1U, 2U, 3U}) {
      const std::uint64_t number = writer.bump_revision(10, "me", "change " + std::to_string(expected));
      EXPECT_EQ(number, expected);
      writer.add_revision_change({number, "namespace", "prod", std::nullopt, "new"});
      writer.add_revision_change({number, "egress", "allow a.example", "old", std::nullopt});
    }
  });
  const auto page = read([](Reader& reader) { return reader.revisions(std::nullopt, 2); });
  ASSERT_EQ(page.rows.size(), 2U);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.rows[0].number, 3U);
  EXPECT_EQ(page.rows[0].summary, "change 3");
  EXPECT_EQ(page.rows[0].changes, 2U);
  const auto rest = read([](Reader& reader) { return reader.revisions(2, 10); });
  ASSERT_EQ(rest.rows.size(), 1U);
  EXPECT_EQ(rest.rows[0].number, 1U);
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(read([](Reader& reader) { return reader.find_revision(2); })->actor, "me");
  EXPECT_FALSE(read([](Reader& reader) { return reader.find_revision(4); }));

  const auto changes = read([](Reader& reader) { return reader.revision_changes(2, 3); });
  ASSERT_EQ(changes.size(), 4U);
  EXPECT_EQ(changes[0].revision, 2U);
  EXPECT_EQ(changes[0].kind, "namespace");
  EXPECT_FALSE(changes[0].before);
  EXPECT_EQ(changes[0].after, "new");
  EXPECT_EQ(changes[3].revision, 3U);
  EXPECT_EQ(changes[3].subject, "allow a.example");
  EXPECT_EQ(changes[3].before, "old");
  EXPECT_FALSE(changes[3].after);
}

TEST_F(AccessTablesTest, TheOldestRecordedRevisionIsNotTheOldest) {
  const auto first = [](Reader& reader) { return reader.first_recorded_revision(); };
  write([](Writer& writer) { writer.bump_revision(10, "me", "from before changes were recorded"); });
  EXPECT_EQ(read(first), std::nullopt);
  write([](Writer& writer) {
    writer.bump_revision(10, "me", "x");
    for (const std::uint64_t number : {3U, 2U}) writer.add_revision_change({number, "mode", "server", "a", "b"});
  });
  EXPECT_EQ(read(first), 2U);
}

TEST_F(AccessTablesTest, EntriesAreFoundByTheirEnds) {
  const auto entry = [](const std::string& domain, std::optional<UnixMillis> expires_at_ms) {
    return DomainEntry{parse_host_pattern(domain).value().pattern, "", expires_at_ms};
  };
  write([&](Writer& writer) {
    NamespaceRecord record;
    record.path = "b";
    record.allowed = {{entry("a.example", 100), entry("b.example", 100), entry("c.example", std::nullopt)}};
    writer.put_namespace(record);
    record.path = "a";
    record.allowed = {{entry("a.example", 200)}};
    record.blocked = {entry("b.example", 150)};
    writer.put_namespace(record);
  });
  const auto ended = [&](UnixMillis after_ms, UnixMillis until_ms) {
    return read([&](Reader& reader) { return reader.namespaces_with_expired_grants(after_ms, until_ms); });
  };
  EXPECT_EQ(ended(0, 99), std::vector<std::string>{});
  EXPECT_EQ(ended(0, 100), std::vector<std::string>{"b"});
  EXPECT_EQ(ended(100, 199), std::vector<std::string>{}) << "from the first on exclusively; blocks do not count";
  EXPECT_EQ(ended(0, 200), (std::vector<std::string>{"a", "b"}));
}

TEST_F(AccessTablesTest, TheExpiryWatermarkIsKept) {
  EXPECT_EQ(read([](Reader& reader) { return reader.expiry_watermark(); }), std::nullopt);
  for (const UnixMillis time_ms : {UnixMillis{5}, UnixMillis{1'700'000'000'000}}) {
    write([&](Writer& writer) { writer.set_expiry_watermark(time_ms); });
    EXPECT_EQ(read([](Reader& reader) { return reader.expiry_watermark(); }), time_ms);
  }
}

}  // namespace
}  // namespace egress::server
