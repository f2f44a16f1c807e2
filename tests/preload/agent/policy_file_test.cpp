// A policy that is a file: what it must hold, which stack and settings it makes, how it is named and handed over.
#include "preload/agent/policy_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/agent/policy_file_name.h"
#include "preload/agent/policy_registry.h"
#include "preload/agent/sealed_text.h"
#include "shared/explain/explain.h"
#include "shared/policy/destination.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr UnixMillis kNow = 1'800'000'000'000;

const std::string kMirrordAllow = R"(
apiVersion: policies.mirrord.metalbear.co/v1alpha
kind: MirrordPolicy
metadata: {name: some}
spec: {network: {outgoing: {allow: [{hostname: "^api[.]example$"}]}}}
---)";
const std::string kMirrordBlock = R"(
apiVersion: policies.mirrord.metalbear.co/v1alpha
kind: MirrordPolicy
metadata: {name: none}
spec: {network: {outgoing: {block: [{hostname: "^evil[.]example$"}]}}}
---)";
const std::string kTest = R"(
apiVersion: egress/v1
kind: PolicyTest
metadata: {name: t}
spec: {namespace: default, allow: ["a.example:443"]}
---)";

std::string namespace_document(const std::string& name, const std::string& spec) {
  return "\napiVersion: egress/v1\nkind: Namespace\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---";
}

PolicyPtr policy_of(const std::string& text, const std::string& namespace_path = "default", bool shadow = false) {
  const PolicyFile file = parse_policy_file(text, namespace_path);
  EXPECT_THAT(file.problems, IsEmpty()) << describe_problem(file.problems.front());
  Workload workload;
  workload.namespace_path = namespace_path;
  return make_file_policy(file.documents, workload, shadow, kNow).value();
}

Verdict verdict_of(const PolicyPtr& policy, const char* destination) {
  return explain(policy->stack, question_of(parse_destination(destination).value(), kNow)).value().decision.verdict;
}

TEST(PolicyFileTest, RefusesWhatIsNoPolicy) {
  struct Case {
    const char* name;
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"nothing", "", "holds no document"},
      {"comments alone", "# nothing\n---\n", "holds no document"},
      {"no YAML", "a: [", ""},
      {"an unknown kind", "apiVersion: egress/v1\nkind: Wish\nmetadata: {name: a}\n", "unknown"},
      {"a dangling reference",
       "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: a}\n"
       "spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: gone}}\n",
       "there is no EgressL4Route gone"},
      {"a document twice", kMirrordAllow + kMirrordAllow, "is given twice"},
      {"too much", std::string(kMaxPolicyFileBytes + 1, '#'), "larger than 8 MiB"},
  };
  for (const Case& wrong : cases) {
    const PolicyFile file = parse_policy_file(wrong.text, "default");
    ASSERT_FALSE(file.problems.empty()) << wrong.name;
    EXPECT_THAT(file.documents, IsEmpty()) << wrong.name;
    EXPECT_THAT(file.problems.front().message, HasSubstr(wrong.message)) << wrong.name;
  }
}

TEST(PolicyFileTest, TheDefaultActionDependsOnTheKinds) {
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock), "other.example:443"), Verdict::kAllow);
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock), "evil.example:443"), Verdict::kDeny);
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock + kTest), "other.example:443"), Verdict::kAllow);
  EXPECT_EQ(verdict_of(policy_of(kTest), "other.example:443"), Verdict::kDeny);
  const std::string domain =
      "\napiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: allow}\n---";
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock + domain), "other.example:443"), Verdict::kDeny);
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock + domain), "a.example:443"), Verdict::kAllow);
  const std::string open = namespace_document("/", "default_action: allow");
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock + domain + open), "other.example:443"), Verdict::kAllow);
  const std::string closed = namespace_document("/", "default_action: deny");
  EXPECT_EQ(verdict_of(policy_of(kMirrordBlock + closed), "other.example:443"), Verdict::kDeny);
}

TEST(PolicyFileTest, TheNearestNamespaceThatSetsASettingWins) {
  const std::string text = namespace_document("/", "mode: shadow, loopback: enforce, lookups: listed") +
                           namespace_document("prod", "mode: discovery") +
                           namespace_document("prod/payments", "lookups: resolvable") +
                           namespace_document("other", "mode: enforcement, loopback: pass");
  const ConnectTableHeader leaf = policy_of(text, "prod/payments/eu")->table.header();
  EXPECT_EQ(static_cast<Mode>(leaf.mode), Mode::kDiscovery);
  EXPECT_EQ(static_cast<LoopbackMode>(leaf.loopback), LoopbackMode::kEnforce);
  EXPECT_EQ(static_cast<LookupMode>(leaf.lookups), LookupMode::kResolvable);
  const ConnectTableHeader elsewhere = policy_of(text, "default")->table.header();
  EXPECT_EQ(static_cast<Mode>(elsewhere.mode), Mode::kShadow);
  EXPECT_EQ(static_cast<LookupMode>(elsewhere.lookups), LookupMode::kListed);
  const ConnectTableHeader unset = policy_of(kMirrordBlock)->table.header();
  EXPECT_EQ(static_cast<Mode>(unset.mode), Mode::kEnforcement);
  EXPECT_EQ(static_cast<LoopbackMode>(unset.loopback), LoopbackMode::kPass);
}

TEST(PolicyFileTest, ShadowWinsOverWhatTheFileSays) {
  const PolicyPtr policy = policy_of(kMirrordAllow + namespace_document("/", "mode: enforcement"), "default", true);
  EXPECT_EQ(verdict_of(policy, "other.example:443"), Verdict::kWouldDeny);
}

TEST(PolicyFileTest, DocumentsWithoutANamespaceBelongToTheCommands) {
  EXPECT_EQ(verdict_of(policy_of(kMirrordAllow, "prod"), "other.example:443"), Verdict::kDeny);
  std::string elsewhere = kMirrordAllow;
  elsewhere.replace(elsewhere.find("{name: some}"), 12, "{name: some, namespace: default}");
  EXPECT_EQ(verdict_of(policy_of(elsewhere, "prod"), "other.example:443"), Verdict::kAllow);
}

TEST(PolicyFileTest, EqualFilesMakeEqualLayers) {
  EXPECT_EQ(policy_of(kMirrordAllow + kMirrordBlock)->manifest->stack,
            policy_of(kMirrordAllow + kMirrordBlock)->manifest->stack);
}

TEST(PolicyFileNameTest, ReadsBackWhatItWrites) {
  for (const bool shadow : {false, true}) {
    const PolicyFileName name{sha256("text"), shadow};
    const auto again = parse_policy_file_name(name.text());
    ASSERT_TRUE(again.has_value()) << name.text();
    EXPECT_EQ(again->digest, name.digest);
    EXPECT_EQ(again->shadow, shadow);
  }
  const std::string digits = format_sha256(sha256("text"));
  for (const std::string& wrong :
       {std::string(), std::string("file:"), "file:" + digits.substr(1), "file:" + digits + "0", digits,
        "file:" + digits + ":lax", "file:" + digits + ":shadow:shadow", std::string("file:policy.yaml")}) {
    EXPECT_FALSE(parse_policy_file_name(wrong).has_value()) << wrong;
  }
}

class PolicyRegistryTest : public ::testing::Test {
 protected:
  static PolicyRegistry::Text text_of(std::size_t bytes) { return std::make_shared<std::string>(bytes, 'x'); }
  static Sha256 digest_of(std::size_t i) { return sha256(std::to_string(i)); }
  void tick(UnixMillis now_ms, bool named) {
    registry.tick([named](uid_t, const Sha256&) { return named; }, now_ms);
  }
  PolicyRegistry registry;
};

TEST_F(PolicyRegistryTest, KeepsEachUsersOwn) {
  ASSERT_TRUE(registry.add(1, digest_of(1), text_of(3), kNow));
  EXPECT_NE(registry.find(1, digest_of(1)), nullptr);
  EXPECT_EQ(registry.find(2, digest_of(1)), nullptr);
  EXPECT_EQ(registry.find(1, digest_of(2)), nullptr);
}

TEST_F(PolicyRegistryTest, ForgetsWhatNoSessionNamesAfterAWhile) {
  ASSERT_TRUE(registry.add(1, digest_of(1), text_of(3), kNow));
  tick(kNow + kUnclaimedPolicyMs - 1, false);
  EXPECT_EQ(registry.size(), 1u) << "its first process may be on its way";
  tick(kNow + kUnclaimedPolicyMs, true);
  EXPECT_EQ(registry.size(), 1u) << "a session names it";
  ASSERT_TRUE(registry.add(1, digest_of(1), text_of(3), kNow + kUnclaimedPolicyMs));
  tick(kNow + kUnclaimedPolicyMs + 1, false);
  EXPECT_EQ(registry.size(), 1u) << "it was registered again";
  tick(kNow + 2 * kUnclaimedPolicyMs, false);
  EXPECT_EQ(registry.size(), 0u);
}

TEST_F(PolicyRegistryTest, AClockThatJumpsBackStartsTheTimeAnew) {
  ASSERT_TRUE(registry.add(1, digest_of(1), text_of(3), kNow));
  tick(kNow - 1'000'000, false);
  tick(kNow - 1'000'000 + kUnclaimedPolicyMs, false);
  EXPECT_EQ(registry.size(), 0u);
}

TEST_F(PolicyRegistryTest, IsBounded) {
  for (std::size_t i = 0; i < kMaxPoliciesPerUid; ++i) ASSERT_TRUE(registry.add(1, digest_of(i), text_of(1), kNow));
  EXPECT_EQ(registry.add(1, digest_of(999), text_of(1), kNow).error().code, ErrorCode::kTooLarge);
  EXPECT_TRUE(registry.add(1, digest_of(0), text_of(1), kNow)) << "it is there already";
  EXPECT_TRUE(registry.add(2, digest_of(0), text_of(kMaxPolicyBytesPerUid), kNow));
  EXPECT_EQ(registry.add(2, digest_of(1), text_of(1), kNow).error().code, ErrorCode::kTooLarge);
  for (uid_t uid = 10; registry.size() < kMaxPolicies; ++uid)
    ASSERT_TRUE(registry.add(uid, digest_of(0), text_of(1), kNow));
  EXPECT_EQ(registry.add(3, digest_of(0), text_of(1), kNow).error().code, ErrorCode::kTooLarge);
}

TEST(SealedTextTest, ReadsWhatWasSealed) {
  for (const std::string& text : {std::string(), std::string("a\0b", 3), std::string(300'000, 'x')}) {
    const auto fd = make_sealed_text("test", text);
    ASSERT_TRUE(fd.has_value()) << fd.error().message;
    EXPECT_EQ(read_sealed_text(fd->get(), 300'000).value(), text);
    EXPECT_EQ(::write(fd->get(), "y", 1), -1);
  }
}

TEST(SealedTextTest, RefusesEverythingElse) {
  const UniqueFd writable(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::write(writable.get(), "abc", 3), 3);
  EXPECT_EQ(read_sealed_text(writable.get(), 10).error().code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(::fcntl(writable.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  EXPECT_EQ(read_sealed_text(writable.get(), 10).error().code, ErrorCode::kInvalidArgument) << "may still be written";
  ASSERT_EQ(::fcntl(writable.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(read_sealed_text(writable.get(), 10).value(), "abc");
  EXPECT_EQ(read_sealed_text(writable.get(), 2).error().code, ErrorCode::kTooLarge);

  const TempDirectory directory;
  const UniqueFd file(::open((directory.path() / "f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(read_sealed_text(file.get(), 10).error().code, ErrorCode::kInvalidArgument);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  EXPECT_EQ(read_sealed_text(read_end.get(), 10).error().code, ErrorCode::kInvalidArgument) << "it would block";
  EXPECT_EQ(read_sealed_text(-1, 10).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace egress
