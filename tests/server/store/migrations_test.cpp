#include "server/store/sqlite/migrations.h"

#include <gtest/gtest.h>

#include "server/store/sqlite/sqlite_store.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

// A row of everything that schema 1 holds; what later schemas added comes on top.
constexpr const char* kFirstContent = R"sql(
INSERT INTO settings VALUES ('mode', 'shadow'), ('egress_revision', '3');
INSERT INTO revisions VALUES (3, 30, 'me', 'third');
INSERT INTO egress_entries VALUES (ALLOW, 'api.example', 'why', 1, 99, 'me', 7);
INSERT INTO rule_uses VALUES ('egress', 'allow api.example', 5, 50);
INSERT INTO namespaces VALUES ('/', 'root', 0, NULL, NULL, NULL, NULL, 1, 1, 1);
INSERT INTO namespaces VALUES ('prod', 'p', 1, NULL, NULL, NULL, NULL, 1, 2, 2);
INSERT INTO namespaces VALUES ('prod/gone/eu', 'child', 1, NULL, NULL, NULL, NULL, 1, 3, 3);
INSERT INTO namespace_domains VALUES ('prod', ALLOW, 0, '**.example', '', NULL);
INSERT INTO namespace_domains VALUES ('prod/gone/eu', ALLOW, 0, 'a.example', 'r', NULL);
INSERT INTO namespace_domains VALUES ('prod/gone/eu', ALLOW, 1, '10.0.0.0/8', '', 77);
INSERT INTO namespace_domains VALUES ('prod/gone/eu', BLOCK, 0, 'bad.example', '', NULL);
INSERT INTO audit VALUES (1, 10, 'policy_allow', 'me', '/', 's', NULL, 'h', NULL, NULL, '{}', 'p', 'q');
INSERT INTO telemetry VALUES (4, 0, 'id', 'n', 5, '{}', '{}', '{}', '');
INSERT INTO agent_statuses VALUES ('k', 'agent', 'prod', '', 'host', 3, 2, '', 9);
INSERT INTO layers VALUES ('hash', 'egress', x'0102', 1);
)sql";
constexpr const char* kSecondContent =
    "INSERT INTO documents VALUES ('MirrordPolicy', 'prod', 'doc', 'text', 7, 'me', 1, 2, 3);";
constexpr const char* kThirdContent = R"sql(
INSERT INTO tokens VALUES ('t', 0, 'ci', 1, '/', 'sum', NULL, 'me', 1, NULL);
INSERT INTO workloads VALUES ('prod', 'web', '', 't', 'me', 1, 1);
INSERT INTO workload_labels VALUES ('prod', 'web', 'app', 'w');
INSERT INTO revision_changes VALUES (3, 0, 'namespace', 'prod', NULL, 'x');
)sql";

std::string replace_all(std::string text, std::string_view what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what)) text.replace(at, what.size(), by);
  return text;
}

class OldSchemaTest : public ::testing::TestWithParam<int> {
 protected:
  void make_database() {
    auto connection = Connection::open(path_, Connection::Access::kReadWrite).value();
    ASSERT_TRUE(migrate(*connection, GetParam()));
    std::string content = kFirstContent;
    if (GetParam() >= 2) content += kSecondContent;
    if (GetParam() >= 3) content += kThirdContent;
    content = replace_all(content, "ALLOW", std::to_string(static_cast<int>(Action::kAllow)));
    content = replace_all(content, "BLOCK", std::to_string(static_cast<int>(Action::kDeny)));
    const auto done = connection->execute(content);
    ASSERT_TRUE(done) << done.error().message;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/egress.db";
};

TEST_P(OldSchemaTest, ComesUpToDateWithAllItHolds) {
  make_database();
  auto opened = SqliteStore::open(path_, 1);
  ASSERT_TRUE(opened) << opened.error().message;
  Store& store = **opened;
  store
      .read([&](Reader& reader) {
        EXPECT_EQ(reader.revision(), 3U);
        EXPECT_EQ(reader.egress_revision(), 3U);
        EXPECT_EQ(reader.server_mode(), Mode::kShadow);
        EXPECT_EQ(reader.egress_entries().at(0).reason, "why");
        EXPECT_EQ(reader.rule_uses("egress").at(0).hits, 5U);
        EXPECT_EQ(reader.namespace_count(), 3U);
        const auto child = reader.find_namespace("prod/gone/eu").value();
        EXPECT_EQ(child.allowed->size(), 2U);
        EXPECT_EQ(child.allowed->at(1).expires_at_ms, 77);
        EXPECT_EQ(child.blocked.size(), 1U);
        EXPECT_EQ(reader.last_audit_row()->hash, "q");
        TelemetryFilter telemetry;
        telemetry.limit = 10;
        EXPECT_EQ(reader.telemetry(telemetry).rows.at(0).event_id, "id");
        EXPECT_EQ(reader.agent_statuses("/", "", 10).rows.at(0).agent_id, "agent");
        EXPECT_EQ(reader.find_layer("hash")->bytes.size(), 2U);
        EXPECT_EQ(reader.documents({}).size(), GetParam() >= 2 ? 1U : 0U);
        EXPECT_EQ(reader.tokens().size(), GetParam() >= 3 ? 1U : 0U);
        EXPECT_EQ(reader.revision_changes(1, 9).size(), GetParam() >= 3 ? 1U : 0U);
        return 0;
      })
      .value();
}

TEST_P(OldSchemaTest, WhatNamespacesAllowIsFoundBelowEachAncestor) {
  make_database();
  auto store = SqliteStore::open(path_, 1).value();
  for (const char* ancestor : {"/", "prod", "prod/gone"}) {
    const auto found = store->read([&](Reader& reader) { return reader.uncovered_below(ancestor, {}); }).value();
    ASSERT_EQ(found.size(), std::string(ancestor) == "/" ? 3U : 2U) << ancestor;
    EXPECT_EQ(found.back().namespace_path, "prod/gone/eu");
    EXPECT_EQ(format_host_pattern(found.back().pattern), "10.0.0.0/8");
    EXPECT_EQ(found.back().expires_at_ms, 77);
  }
  // What the step indexed is what a removal takes out again.
  const auto done =
      store->write([](Writer& writer) -> Expected<bool> { return writer.remove_namespace("prod/gone/eu"); });
  ASSERT_TRUE(done && *done);
  EXPECT_EQ(store->read([](Reader& reader) { return reader.uncovered_below("/", {}).size(); }), 1U);
}

INSTANTIATE_TEST_SUITE_P(BeforeTheIndex, OldSchemaTest, ::testing::Range(1, 4));

TEST(MigrationsTest, AStepThatFailsLeavesTheSchemaBefore) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/egress.db";
  {
    auto connection = Connection::open(path, Connection::Access::kReadWrite).value();
    ASSERT_TRUE(migrate(*connection, 3));
    ASSERT_TRUE(connection->execute("INSERT INTO namespaces VALUES ('p', '', 1, NULL, NULL, NULL, NULL, 1, 1, 1)"));
    ASSERT_TRUE(connection->execute("INSERT INTO namespace_domains VALUES ('p', " +
                                    std::to_string(static_cast<int>(Action::kAllow)) + ", 0, 'a..b', '', NULL)"));
    const auto done = migrate(*connection);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(done.error().message.find("a..b"), std::string::npos) << done.error().message;
  }
  auto connection = Connection::open(path, Connection::Access::kReadWrite).value();
  Query query(*connection, "PRAGMA user_version");
  ASSERT_TRUE(query.step());
  EXPECT_EQ(query.integer(), 3);
}

TEST(MigrationsTest, RefusesADatabaseFromTheFuture) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/egress.db";
  {
    auto connection = Connection::open(path, Connection::Access::kReadWrite);
    ASSERT_TRUE(connection);
    ASSERT_TRUE((*connection)->execute("PRAGMA user_version=" + std::to_string(schema_version() + 1)));
  }
  const auto store = SqliteStore::open(path, 1);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
}

TEST(MigrationsTest, RefusesAFileThatIsNoDatabase) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/egress.db";
  {
    std::FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fputs(std::string(4096, 'x').c_str(), file);
    std::fclose(file);
  }
  EXPECT_FALSE(SqliteStore::open(path, 1));
}

}  // namespace
}  // namespace egress::server
