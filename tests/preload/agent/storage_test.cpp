// What the agent keeps on disk: atomic files, pinned keys, bundles; and the gate that bytes must pass to become policy.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "preload/agent/atomic_file.h"
#include "preload/agent/bundle_intake.h"
#include "preload/agent/bundle_store.h"
#include "preload/agent/key_pin.h"
#include "tests/preload/agent/bundle_fixture.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

constexpr char kServer[] = "http://127.0.0.1:8443";

std::size_t count_files(const std::filesystem::path& directory) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

TEST(AtomicFileTest, ReplacesWholeFilesAndLeavesNoTemporaries) {
  const TempDirectory directory;
  const auto path = directory.path() / "file";
  ASSERT_TRUE(write_file_atomically(path, "one", 0600).has_value());
  ASSERT_TRUE(write_file_atomically(path, "two", 0600).has_value());
  EXPECT_EQ(read_whole_file(path, 100).value(), "two");
  EXPECT_EQ(count_files(directory.path()), 1u);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(AtomicFileTest, RefusesWhatIsMissingLargeOrNoFile) {
  const TempDirectory directory;
  EXPECT_EQ(read_whole_file(directory.path() / "none", 10).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(write_file_atomically(directory.path() / "file", "12345", 0600).has_value());
  EXPECT_EQ(read_whole_file(directory.path() / "file", 4).error().code, ErrorCode::kTooLarge);
  EXPECT_FALSE(read_whole_file(directory.path(), 10).has_value());
  EXPECT_FALSE(write_file_atomically(directory.path() / "no" / "file", "x", 0600).has_value());
}

TEST(KeyPinTest, PinsTheFirstKeyAndRefusesAnother) {
  const TempDirectory directory;
  const auto first = SigningKey::generate().public_key();
  const auto second = SigningKey::generate().public_key();
  {
    KeyPin pins(directory.path());
    EXPECT_FALSE(pins.find(kServer)->has_value());
    ASSERT_TRUE(pins.accept(kServer, first).has_value());
    ASSERT_TRUE(pins.accept(kServer, first).has_value());
  }
  KeyPin again(directory.path());
  EXPECT_EQ(again.find(kServer)->value(), first);
  const auto refused = again.accept(kServer, second);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUntrusted);
  EXPECT_NE(refused.error().message.find(key_id(first)), std::string::npos);
  EXPECT_NE(refused.error().message.find(key_id(second)), std::string::npos);
  EXPECT_TRUE(again.accept("http://127.0.0.1:9000", second).has_value()) << "pins are per server";
}

TEST(KeyPinTest, ADamagedPinTrustsNobody) {
  const TempDirectory directory;
  const auto key = SigningKey::generate().public_key();
  KeyPin pins(directory.path());
  ASSERT_TRUE(pins.accept(kServer, key).has_value());
  std::ofstream(std::filesystem::directory_iterator(directory.path())->path()) << "garbage";
  const auto refused = pins.accept(kServer, key);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
}

class BundleIntakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store.open().has_value());
    std::filesystem::create_directory(directory.path() / "keys");
  }

  // As a sync does: verify, admit what is missing, link.
  Expected<PolicyPtr> take(BundleIntake& gate, const MadeBundle& made, std::uint64_t min_revision = 0,
                           const std::string& trusted = {}) {
    auto verified = gate.verify_manifest(made.envelope, expect(min_revision, trusted), true);
    if (!verified) return tl::unexpected(verified.error());
    for (std::size_t i = 0; i < verified->layers.size(); ++i) {
      if (verified->layers[i] != nullptr) continue;
      const LayerRef& ref = verified->manifest.stack[i];
      auto layer = gate.admit_layer(ref, made.layers.at(format_sha256(ref.hash)));
      if (!layer) return tl::unexpected(layer.error());
      verified->layers[i] = *layer;
    }
    return gate.link(std::move(*verified), Workload{}, {});
  }

  BundleExpectation expect(std::uint64_t min_revision = 0, const std::string& trusted = {}) const {
    return {.name = name, .bundle_key = trusted, .min_revision = min_revision};
  }

  void persist(const MadeBundle& made) { ASSERT_TRUE(store.save_manifest(name, made.envelope).has_value()); }

  TempDirectory directory;
  BundleStore store{directory.path()};
  KeyPin pins{directory.path() / "keys"};
  BundleIntake intake{store, pins};
  SigningKey key = SigningKey::generate();
  BundleName name{.server = kServer, .namespace_path = "demo", .workload = "", .token = ""};
  MadeBundle bundle = make_bundle(key, 5, "demo", {allow_host("api.example")});
};

TEST_F(BundleIntakeTest, TakesAGoodBundleAndPinsItsKey) {
  const auto policy = take(intake, bundle);
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  EXPECT_EQ((*policy)->revision(), 5u);
  EXPECT_EQ(pins.find(kServer)->value(), key.public_key());
}

TEST_F(BundleIntakeTest, RefusesForeignSignatures) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  const auto foreign = take(intake, make_bundle(SigningKey::generate(), 6, "demo", {}));
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code, ErrorCode::kUntrusted);
}

TEST_F(BundleIntakeTest, AConfiguredKeyIsTheOnlyOne) {
  EXPECT_FALSE(take(intake, bundle, 0, format_public_key(SigningKey::generate().public_key())).has_value());
  EXPECT_TRUE(take(intake, bundle, 0, format_public_key(key.public_key())).has_value());
  EXPECT_FALSE(pins.find(kServer)->has_value()) << "nothing is pinned beside a configured key";
}

TEST_F(BundleIntakeTest, RefusesOlderRevisionsAndOtherNamespaces) {
  EXPECT_EQ(take(intake, bundle, 6).error().code, ErrorCode::kUntrusted);
  EXPECT_TRUE(take(intake, bundle, 5).has_value());
  EXPECT_EQ(take(intake, make_bundle(key, 9, "other", {})).error().code, ErrorCode::kUntrusted);
}

TEST_F(BundleIntakeTest, ABundleForSomebodyElseDoesNotPinItsKey) {
  EXPECT_FALSE(take(intake, make_bundle(key, 9, "other", {})).has_value());
  EXPECT_FALSE(pins.find(kServer)->has_value());
}

TEST_F(BundleIntakeTest, RefusesGarbageAndTampering) {
  for (const std::string& text : {std::string(), std::string("{}"), std::string("<html>"), std::string(1000, '['),
                                  bundle.envelope.substr(0, bundle.envelope.size() / 2)}) {
    EXPECT_FALSE(intake.verify_manifest(text, expect(), true).has_value()) << text.substr(0, 40);
  }
  std::string tampered = bundle.envelope;
  const std::size_t at = tampered.find("demo");
  ASSERT_NE(at, std::string::npos);
  tampered[at] = 'x';
  EXPECT_FALSE(intake.verify_manifest(tampered, expect(), true).has_value());
}

TEST_F(BundleIntakeTest, RefusesLayersThatAreNotWhatTheManifestNames) {
  const LayerRef ref = bundle.manifest.stack[0];
  const std::string good = bundle.layers.begin()->second;
  std::string flipped = good;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  EXPECT_EQ(intake.admit_layer(ref, flipped).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(intake.admit_layer(ref, good.substr(1)).error().code, ErrorCode::kCorrupt);
  LayerRef other = ref;
  other.id = "namespace:other";
  EXPECT_EQ(intake.admit_layer(other, good).error().code, ErrorCode::kCorrupt);
  LayerRef garbage{.id = "x", .hash = sha256("garbage"), .size_bytes = 7, .unmatched = Vote::kDeny};
  EXPECT_FALSE(intake.admit_layer(garbage, "garbage").has_value());
}

TEST_F(BundleIntakeTest, StartsFromDisk) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  persist(bundle);
  BundleIntake fresh(store, pins);
  const auto stored = fresh.load_stored(expect(), Workload{}, {});
  ASSERT_TRUE(stored.has_value()) << stored.error().message;
  EXPECT_EQ(stored->policy->revision(), 5u);
  EXPECT_GT(stored->confirmed_ms, 0);
}

TEST_F(BundleIntakeTest, WithoutABundleOnDiskSaysSo) {
  EXPECT_EQ(intake.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(BundleIntakeTest, AForeignBundleOnDiskCannotVouchForItself) {
  const auto foreign = make_bundle(SigningKey::generate(), 7, "demo", {});
  persist(foreign);
  ASSERT_TRUE(store.save_layer(foreign.manifest.stack[0].hash, foreign.layers.begin()->second).has_value());
  EXPECT_EQ(intake.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kUntrusted) << "nothing is pinned";
  ASSERT_TRUE(take(intake, bundle).has_value());
  EXPECT_EQ(intake.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kUntrusted)
      << "another key is pinned";
}

TEST_F(BundleIntakeTest, ADamagedLayerOnDiskIsNoticedAndRemoved) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  persist(bundle);
  const auto path = std::filesystem::directory_iterator(directory.path() / "layers")->path();
  const std::string good = read_whole_file(path, 1 << 20).value();
  std::string flipped = good;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  for (const std::string& bad : {good.substr(0, 10), flipped, std::string()}) {
    std::ofstream(path, std::ios::binary) << bad;
    BundleIntake fresh(store, pins);
    EXPECT_EQ(fresh.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(BundleIntakeTest, ATruncatedManifestOnDiskIsRefused) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  persist(bundle);
  const auto path = std::filesystem::directory_iterator(directory.path() / "manifests")->path();
  std::ofstream(path) << bundle.envelope.substr(0, 50);
  EXPECT_EQ(intake.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kCorrupt);
}

TEST_F(BundleIntakeTest, ASwappedManifestOnDiskIsRefused) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  ASSERT_TRUE(store.save_manifest(name, make_bundle(key, 6, "other", {}).envelope).has_value());
  EXPECT_EQ(intake.load_stored(expect(), Workload{}, {}).error().code, ErrorCode::kUntrusted);
}

TEST_F(BundleIntakeTest, TokensDoNotShareAStoredBundle) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  persist(bundle);
  auto with_token = expect();
  with_token.name.token = "secret";
  EXPECT_EQ(intake.load_stored(with_token, Workload{}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(BundleIntakeTest, OpeningTheStoreRemovesWhatNoManifestMentions) {
  ASSERT_TRUE(take(intake, bundle).has_value());
  persist(bundle);
  ASSERT_TRUE(store.save_layer(sha256("orphan"), "orphan").has_value());
  std::ofstream(directory.path() / "manifests" / "x.json.AbCdEf") << "left by a crash";
  BundleStore reopened(directory.path());
  ASSERT_TRUE(reopened.open().has_value());
  EXPECT_EQ(count_files(directory.path() / "layers"), 1u);
  EXPECT_EQ(count_files(directory.path() / "manifests"), 1u);
}

}  // namespace
}  // namespace egress
