#include "shared/bundle/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace egress {
namespace {

Manifest full_manifest() {
  Manifest manifest;
  manifest.revision = 42;
  manifest.namespace_path = "prod/payments";
  manifest.workload = "api";
  manifest.stack = {{"egress", sha256("a"), 100, Vote::kAbstain},
                    {"namespace:prod/payments", sha256("b"), 200, Vote::kDeny}};
  manifest.mode = Mode::kShadow;
  manifest.loopback = LoopbackMode::kEnforce;
  manifest.lookups = LookupMode::kListed;
  manifest.default_action = Action::kAllow;
  manifest.authenticated = true;
  manifest.labels = {{"app", "pay"}, {"tier", "back"}};
  manifest.target = "deployment/payments";
  manifest.token_binding = make_token_binding(format_sha256(sha256("egressw_secret")));
  manifest.stale_action = StaleAction::kDeny;
  manifest.issued_at_ms = 1'800'000'000'123;
  return manifest;
}

TEST(ManifestTest, SurvivesItsJson) {
  EXPECT_EQ(parse_manifest(render_manifest(full_manifest())).value(), full_manifest());
}

TEST(ManifestTest, TheContentTagIgnoresRevisionAndTime) {
  Manifest other = full_manifest();
  other.revision = 43;
  other.issued_at_ms += 1000;
  EXPECT_EQ(content_tag(other), content_tag(full_manifest()));
  other.stack[0].hash = sha256("c");
  EXPECT_NE(content_tag(other), content_tag(full_manifest()));
}

TEST(ManifestTest, RefusesEveryMissingForeignOrMistypedField) {
  const auto whole = nlohmann::json::parse(render_manifest(full_manifest()));
  const auto refuses = [](const nlohmann::json& document, const std::string& path) {
    const auto parsed = parse_manifest(document.dump());
    ASSERT_FALSE(parsed) << path;
    EXPECT_NE(parsed.error().message.find(path), std::string::npos) << parsed.error().message;
  };
  for (const auto& [key, value] : whole.items()) {
    auto missing = whole;
    missing.erase(key);
    refuses(missing, "manifest." + key);
    auto mistyped = whole;
    mistyped[key] = nlohmann::json::array({{}});
    refuses(mistyped, "manifest." + key);
  }
  for (const auto& [key, value] : whole["stack"][0].items()) {
    auto missing = whole;
    missing["stack"][0].erase(key);
    refuses(missing, "manifest.stack[0]." + key);
  }
  auto foreign = whole;
  foreign["extra"] = 1;
  refuses(foreign, "manifest.extra");
  for (const auto& [pointer, value] :
       std::initializer_list<std::pair<const char*, nlohmann::json>>{{"/revision", 0},
                                                                     {"/revision", -1},
                                                                     {"/revision", 1.5},
                                                                     {"/mode", "Enforcement"},
                                                                     {"/namespace", "/prod"},
                                                                     {"/max_stale_s", -1},
                                                                     {"/binding_min_s", 0},
                                                                     {"/stack/0/sha256", "00"},
                                                                     {"/stack/0/size", 0},
                                                                     {"/issued_at", "yesterday"},
                                                                     {"/format", "egress.manifest/2"}}) {
    auto spoiled = whole;
    spoiled[nlohmann::json::json_pointer(pointer)] = value;
    EXPECT_FALSE(parse_manifest(spoiled.dump())) << pointer << " " << value;
  }
  EXPECT_FALSE(parse_manifest(""));
  EXPECT_FALSE(parse_manifest("[]"));
  EXPECT_FALSE(parse_manifest("{}"));
  EXPECT_FALSE(parse_manifest(std::string(2 << 20, ' ')));
  EXPECT_FALSE(parse_manifest(std::string(100'000, '[')));
}

TEST(ManifestTest, OnlyATokenVouchesForAnIdentity) {
  const auto parse_changed = [](const char* pointer, const nlohmann::json& value, bool authenticated) {
    Manifest manifest = full_manifest();
    if (!authenticated) {
      manifest.authenticated = false;
      manifest.labels.clear();
      manifest.target.clear();
      manifest.token_binding.clear();
    }
    auto document = nlohmann::json::parse(render_manifest(manifest));
    document[nlohmann::json::json_pointer(pointer)] = value;
    return parse_manifest(document.dump()).has_value();
  };
  EXPECT_TRUE(parse_changed("/workload", "api", false));
  EXPECT_FALSE(parse_changed("/labels", {{"app", "pay"}}, false));
  EXPECT_FALSE(parse_changed("/target", "deployment/payments", false));
  EXPECT_FALSE(parse_changed("/token_binding", std::string(64, 'a'), false));
  EXPECT_TRUE(parse_changed("/labels", nlohmann::json::object(), true));
  EXPECT_FALSE(parse_changed("/workload", "", true));
  EXPECT_FALSE(parse_changed("/token_binding", "", true));
  EXPECT_FALSE(parse_changed("/labels", {{"app", 1}}, true));
  EXPECT_FALSE(parse_changed("/labels", {{"", "pay"}}, true));
  EXPECT_FALSE(parse_changed("/labels", {{"app", std::string(256, 'x')}}, true));
  nlohmann::json many = nlohmann::json::object();
  for (int i = 0; i < 65; ++i) many["k" + std::to_string(i)] = "v";
  EXPECT_FALSE(parse_changed("/labels", many, true));
}

TEST(ManifestTest, TheIdentityIsPartOfTheContent) {
  Manifest other = full_manifest();
  other.labels["app"] = "other";
  EXPECT_NE(content_tag(other), content_tag(full_manifest()));
  other = full_manifest();
  other.token_binding = make_token_binding(format_sha256(sha256("egressw_another")));
  EXPECT_NE(content_tag(other), content_tag(full_manifest()));
}

TEST(ManifestTest, TheBindingTellsNeitherTheTokenNorItsHash) {
  const std::string hash = format_sha256(sha256("egressw_secret"));
  EXPECT_NE(make_token_binding(hash), hash);
  EXPECT_EQ(make_token_binding(hash), make_token_binding(hash));
}

TEST(ManifestTest, SignedManifestsAreProvedByTheKeyTheyCarry) {
  const SigningKey key = SigningKey::generate();
  const std::string text = render_signed_manifest(sign_manifest(full_manifest(), key));
  const SignedManifest parsed = parse_signed_manifest(text).value();
  EXPECT_EQ(parsed.key, key.public_key());
  EXPECT_EQ(parse_manifest(parsed.manifest_json).value(), full_manifest());
}

TEST(ManifestTest, TamperedManifestsAreUntrusted) {
  const SigningKey key = SigningKey::generate();
  auto document = nlohmann::json::parse(render_signed_manifest(sign_manifest(full_manifest(), key)));
  Manifest widened = full_manifest();
  widened.mode = Mode::kDiscovery;
  document["manifest"] = render_manifest(widened);
  EXPECT_EQ(parse_signed_manifest(document.dump()).error().code, ErrorCode::kUntrusted);
}

TEST(ManifestTest, AnotherKeysEnvelopeDoesNotPassAsTheFirst) {
  const SigningKey key = SigningKey::generate();
  const SigningKey other = SigningKey::generate();
  auto document = nlohmann::json::parse(render_signed_manifest(sign_manifest(full_manifest(), other)));
  document["public_key"] = format_public_key(key.public_key());
  EXPECT_FALSE(parse_signed_manifest(document.dump())) << "the key id does not name the key";
  document["key_id"] = key_id(key.public_key());
  EXPECT_EQ(parse_signed_manifest(document.dump()).error().code, ErrorCode::kUntrusted);
}

}  // namespace
}  // namespace egress
