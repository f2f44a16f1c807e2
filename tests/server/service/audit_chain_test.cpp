#include "server/service/audit_chain.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_log.h"
#include "shared/bundle/digest.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

class AuditChainTest : public ServiceTest {
 protected:
  void append(const std::string& event, const nlohmann::ordered_json& detail) {
    AuditEvent audit;
    audit.event = event;
    audit.actor = "me";
    audit.namespace_path = "prod";
    audit.subject = "\"quoted\"";
    const auto done = store_->write([&](Writer& writer) -> Expected<int> {
      append_audit(writer, clock_.now_ms(), audit, detail);
      return 0;
    });
    ASSERT_TRUE(done) << done.error().message;
  }
};

TEST_F(AuditChainTest, EachRowNamesTheHashOfTheOneBefore) {
  for (const char* event : {"a", "b", "c"}) append(event, {{"reason", event}});
  const auto rows = audit_rows();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[2].prev_hash, kGenesisHash);
  EXPECT_EQ(rows[1].prev_hash, rows[2].hash);
  EXPECT_EQ(rows[0].prev_hash, rows[1].hash);
  for (const auto& row : rows) EXPECT_EQ(row.hash, audit_hash(row));
}

TEST_F(AuditChainTest, TheHashCoversEveryShownField) {
  append("a", {{"reason", "x"}});
  const AuditRow row = audit_rows().front();
  EXPECT_EQ(canonical_json(row),
            R"({"seq":1,"time":"2023-11-14T22:13:20Z","event":"a","actor":"me","namespace":"prod",)"
            R"("subject":"\"quoted\"","detail":{"reason":"x"}})");
  EXPECT_EQ(row.hash, format_sha256(sha256(std::string(kGenesisHash) + canonical_json(row))));
  const auto differs = [&](auto change) {
    AuditRow changed = row;
    change(changed);
    return audit_hash(changed) != row.hash;
  };
  EXPECT_TRUE(differs([](AuditRow& r) { r.seq = 2; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.time_ms += 1; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.event = "b"; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.actor = "you"; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.namespace_path = "dev"; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.subject = "s"; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.detail = "{}"; }));
  EXPECT_TRUE(differs([](AuditRow& r) { r.prev_hash[0] = 'f'; }));
}

TEST_F(AuditChainTest, PagesContinueWhereTheLastEnded) {
  for (int i = 0; i < 5; ++i) append("e", nlohmann::ordered_json::object());
  AuditLog log(*store_);
  AuditFilter filter;
  filter.limit = 2;
  std::vector<std::uint64_t> seen;
  while (true) {
    const auto page = log.find(filter);
    ASSERT_TRUE(page);
    for (const auto& row : page->rows) seen.push_back(row.seq);
    if (!page->next_seq) break;
    filter.before_seq = page->next_seq;
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{5, 4, 3, 2, 1}));
}

}  // namespace
}  // namespace egress::server
