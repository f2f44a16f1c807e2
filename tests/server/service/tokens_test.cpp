#include "server/service/tokens.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "server/service/token_text.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr UnixMillis kDay = UnixMillis{24} * 3600 * 1000;

class TokensTest : public ServiceTest {
 protected:
  TokenPut put(const std::string& name, Role role, const std::string& path) {
    TokenPut put;
    put.name = name;
    put.role = role;
    put.namespace_path = path;
    put.actor = admin("me");
    return put;
  }
  static std::string code_of(const Result<IssuedToken>& result) { return result ? "made" : result.error().code; }
  static Principal user(Role role, const std::string& scope) {
    return {Principal::Kind::kUser, "u", role, scope, {}, {}};
  }

  TokenRegistry registry_{clock_};
  Tokens tokens_{*store_, clock_, registry_};
};

TEST_F(TokensTest, ATokenHas256RandomBitsBehindItsPrefix) {
  const std::string a = make_token_text(TokenKind::kUser);
  const std::string b = make_token_text(TokenKind::kWorkload);
  EXPECT_THAT(a, ::testing::MatchesRegex("egress_[0-9a-f]{64}"));
  EXPECT_THAT(b, ::testing::MatchesRegex("egressw_[0-9a-f]{64}"));
  EXPECT_NE(a, make_token_text(TokenKind::kUser));
}

TEST_F(TokensTest, TheBearerIsKnownAndTheSecretNowhere) {
  const auto issued = tokens_.create(put("ci", Role::kOperator, "prod"));
  ASSERT_TRUE(issued) << issued.error().message;
  const auto known = registry_.authenticate(issued->text);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->kind, Principal::Kind::kUser);
  EXPECT_EQ(known->name, "ci");
  EXPECT_EQ(known->role, Role::kOperator);
  EXPECT_EQ(known->scope, "prod");
  EXPECT_EQ(known->token_id, issued->record.id);
  const AuditRow row = audit_rows().front();
  EXPECT_EQ(row.event, "token_created");
  EXPECT_EQ(row.actor, "me");
  EXPECT_EQ(row.namespace_path, "prod");
  EXPECT_EQ(row.subject, issued->record.id);
  EXPECT_EQ(row.detail, R"({"kind":"user","role":"operator","name":"ci","expires_at":null})");
  EXPECT_NE(issued->record.sha256, issued->text);
}

TEST_F(TokensTest, AnotherStartKnowsTheSameTokens) {
  const auto kept = tokens_.create(put("kept", Role::kAdmin, "/"));
  const auto gone = tokens_.create(put("gone", Role::kViewer, "/"));
  ASSERT_TRUE(tokens_.revoke(gone->record.id, admin("me")));
  TokenRegistry fresh(clock_);
  EXPECT_FALSE(fresh.is_closed());
  ASSERT_TRUE(fresh.load(*store_));
  EXPECT_TRUE(fresh.is_closed());
  EXPECT_FALSE(fresh.is_closed_to_workloads());
  EXPECT_TRUE(fresh.has_live_admin());
  EXPECT_TRUE(fresh.authenticate(kept->text));
  EXPECT_EQ(fresh.authenticate(gone->text).error().code, "token_revoked");
}

TEST_F(TokensTest, NobodyMakesATokenBeyondTheirOwn) {
  struct Case {
    Principal actor;
    std::string path;
    bool may;
  };
  const Case cases[] = {
      {user(Role::kAdmin, "prod"), "prod", true},
      {user(Role::kAdmin, "prod"), "prod/payments", true},
      {user(Role::kAdmin, "prod"), "/", false},
      {user(Role::kAdmin, "prod"), "production", false},
      {user(Role::kAdmin, "prod"), "staging", false},
      {user(Role::kOperator, "prod"), "prod", false},
      {user(Role::kViewer, "/"), "prod", false},
      {Principal{}, "prod", false},
      {{Principal::Kind::kWorkload, "w", Role::kAdmin, "/", {}, "w"}, "prod", false},
  };
  int number = 0;
  for (const Case& one : cases) {
    TokenPut wanted = put("t" + std::to_string(++number), Role::kViewer, one.path);
    wanted.actor = one.actor;
    EXPECT_EQ(code_of(tokens_.create(wanted)), one.may ? "made" : "out_of_scope")
        << one.actor.scope << " for " << one.path;
  }
}

TEST_F(TokensTest, TheFirstTokenOfAnOpenServerIsAnAdminForEverAndEverywhere) {
  TokenPut first = put("first", Role::kOperator, "/");
  first.actor = Principal::open();
  EXPECT_EQ(code_of(tokens_.create(first)), "first_token_must_be_admin");
  first.role = Role::kAdmin;
  first.namespace_path = "prod";
  EXPECT_EQ(code_of(tokens_.create(first)), "first_token_must_be_admin");
  first.namespace_path = "/";
  first.expires_at_ms = clock_.now_ms() + kDay;
  EXPECT_EQ(code_of(tokens_.create(first)), "first_token_must_be_admin");
  EXPECT_FALSE(registry_.is_closed());
  EXPECT_TRUE(audit_rows().empty());
  first.expires_at_ms.reset();
  EXPECT_EQ(code_of(tokens_.create(first)), "made");
  EXPECT_TRUE(registry_.is_closed());
  // Admitted while the server was open, and now it is not.
  first.name = "second";
  EXPECT_EQ(code_of(tokens_.create(first)), "unauthenticated");
}

TEST_F(TokensTest, NamesTellLiveTokensApart) {
  const auto a = tokens_.create(put("ci", Role::kAdmin, "/"));
  EXPECT_EQ(code_of(tokens_.create(put("ci", Role::kViewer, "prod"))), "token_name_taken");
  ASSERT_TRUE(tokens_.create(put("other", Role::kAdmin, "/")));
  ASSERT_TRUE(tokens_.revoke(a->record.id, admin("me")));
  EXPECT_EQ(code_of(tokens_.create(put("ci", Role::kViewer, "prod"))), "made");
  for (const char* name : {"", "server", "anonymous", "console", "a b", "a\nb", "a:b", "caf\xc3\xa9"}) {
    EXPECT_EQ(code_of(tokens_.create(put(name, Role::kViewer, "/"))), "invalid_field") << name;
  }
  EXPECT_EQ(code_of(tokens_.create(put(std::string(65, 'a'), Role::kViewer, "/"))), "invalid_field");
}

TEST_F(TokensTest, AnExpiredTokenIsNoToken) {
  TokenPut wanted = put("short", Role::kViewer, "/");
  wanted.expires_at_ms = clock_.now_ms();
  EXPECT_EQ(code_of(tokens_.create(wanted)), "invalid_field");
  wanted.expires_at_ms = clock_.now_ms() + kDay;
  const auto issued = tokens_.create(wanted);
  ASSERT_TRUE(issued);
  clock_.advance_ms(kDay - 1);
  const auto principal = registry_.authenticate(issued->text);
  ASSERT_TRUE(principal);
  EXPECT_TRUE(registry_.recheck(*principal));
  clock_.advance_ms(1);
  EXPECT_EQ(registry_.authenticate(issued->text).error().code, "token_expired");
  EXPECT_EQ(registry_.recheck(*principal).error().code, "token_expired");
  EXPECT_TRUE(registry_.is_closed()) << "it never falls open again";
}

TEST_F(TokensTest, RevokingTellsTheObserverAndStaysWhateverTheOrder) {
  std::vector<std::string> seen;
  registry_.set_revocation_observer([&](const TokenRecord& record) { seen.push_back(record.id); });
  ASSERT_TRUE(tokens_.create(put("root", Role::kAdmin, "/")));
  const auto issued = tokens_.create(put("ci", Role::kAdmin, "/"));
  const auto principal = registry_.authenticate(issued->text);
  ASSERT_TRUE(tokens_.revoke(issued->record.id, admin("me")));
  EXPECT_THAT(seen, ::testing::ElementsAre(issued->record.id));
  registry_.put(issued->record);  // the news of its making comes late
  EXPECT_EQ(registry_.authenticate(issued->text).error().code, "token_revoked");
  EXPECT_EQ(registry_.recheck(*principal).error().code, "token_revoked");
  EXPECT_EQ(audit_rows().front().event, "token_revoked");
  EXPECT_EQ(tokens_.revoke(issued->record.id, admin("me")).error().code, "already_revoked");
  EXPECT_EQ(tokens_.revoke("nope", admin("me")).error().code, "token_unknown");
  TokenPut by_revoked = put("x", Role::kViewer, "/");
  by_revoked.actor = *principal;
  EXPECT_EQ(code_of(tokens_.create(by_revoked)), "token_revoked");
}

TEST_F(TokensTest, AnAdminOverEverythingAlwaysRemains) {
  const auto first = tokens_.create(put("first", Role::kAdmin, "/"));
  EXPECT_EQ(tokens_.revoke(first->record.id, admin("me")).error().code, "last_admin");
  ASSERT_TRUE(tokens_.create(put("scoped", Role::kAdmin, "prod")));
  ASSERT_TRUE(tokens_.create(put("reader", Role::kViewer, "/")));
  TokenPut shorter = put("shorter", Role::kAdmin, "/");
  shorter.expires_at_ms = clock_.now_ms() + kDay;
  const auto expiring = tokens_.create(shorter);
  EXPECT_EQ(tokens_.revoke(first->record.id, admin("me")).error().code, "last_admin") << "the other one expires";
  const auto second = tokens_.create(put("second", Role::kAdmin, "/"));
  EXPECT_TRUE(tokens_.revoke(first->record.id, admin("me")));
  EXPECT_TRUE(tokens_.revoke(expiring->record.id, admin("me")));
  EXPECT_EQ(tokens_.revoke(second->record.id, admin("me")).error().code, "last_admin");
  EXPECT_TRUE(registry_.has_live_admin());
}

TEST_F(TokensTest, RevokingNeedsAdminOverTheTokensNamespace) {
  const auto issued = tokens_.create(put("ci", Role::kViewer, "prod/payments"));
  EXPECT_EQ(tokens_.revoke(issued->record.id, user(Role::kAdmin, "staging")).error().code, "out_of_scope");
  EXPECT_EQ(tokens_.revoke(issued->record.id, user(Role::kOperator, "/")).error().code, "out_of_scope");
  EXPECT_TRUE(tokens_.revoke(issued->record.id, user(Role::kAdmin, "prod")));
}

TEST_F(TokensTest, ListsWhatIsInScopePageByPage) {
  for (const char* path : {"/", "prod", "prod/payments", "staging"}) {
    ASSERT_TRUE(tokens_.create(put("of." + std::to_string(std::string(path).size()), Role::kViewer, path)));
  }
  EXPECT_EQ(tokens_.list(admin("me"), "", 10)->items.size(), 4U);
  EXPECT_EQ(tokens_.list(user(Role::kAdmin, "prod"), "", 10)->items.size(), 2U);
  std::set<std::string> ids;
  std::string after;
  for (int page = 0; page < 4; ++page) {
    const auto listed = tokens_.list(admin("me"), after, 1);
    ASSERT_EQ(listed->items.size(), 1U);
    ids.insert(listed->items.front().record.id);
    EXPECT_EQ(listed->next_after.has_value(), page < 3);
    after = listed->next_after.value_or("");
  }
  EXPECT_EQ(ids.size(), 4U);
}

TEST_F(TokensTest, IsReadWhileOthersWrite) {
  const auto kept = tokens_.create(put("kept", Role::kAdmin, "/"));
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto known = registry_.authenticate(kept->text);
        if (!known || !registry_.recheck(*known) || !registry_.has_live_admin()) std::abort();
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const auto issued = tokens_.create(put("t" + std::to_string(i), Role::kViewer, "/"));
    EXPECT_TRUE(registry_.authenticate(issued->text));
    EXPECT_TRUE(tokens_.revoke(issued->record.id, admin("me")));
    EXPECT_FALSE(registry_.authenticate(issued->text));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(TokensTest, AWorkloadsTokenIsOfAnotherKindAndClosesOnlyWhatIsTheirs) {
  TokenGrant grant;
  grant.kind = TokenKind::kWorkload;
  grant.name = "checkout";
  grant.role = Role::kAdmin;  // means nothing for a workload
  grant.namespace_path = "prod";
  grant.actor = "me";
  const auto issued =
      store_->write([&](Writer& writer) -> Result<IssuedToken> { return issue_token(writer, grant, clock_.now_ms()); });
  ASSERT_TRUE(issued);
  registry_.put(issued->record);
  EXPECT_FALSE(registry_.is_closed());
  EXPECT_TRUE(registry_.is_closed_to_workloads());
  const auto known = registry_.authenticate(issued->text);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->kind, Principal::Kind::kWorkload);
  EXPECT_EQ(known->workload, "checkout");
  EXPECT_EQ(known->scope, "prod");
  EXPECT_FALSE(may(*known, Role::kViewer, "prod"));
  EXPECT_TRUE(tokens_.list(admin("me"), "", 10)->items.empty());
  EXPECT_EQ(audit_rows().front().workload, "checkout");
  EXPECT_TRUE(tokens_.revoke(issued->record.id, admin("me")));
}

}  // namespace
}  // namespace egress::server
