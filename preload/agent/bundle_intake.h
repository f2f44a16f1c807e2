// The gate between bytes and policy: everything that must hold before a bundle, fresh or from disk, may be linked.
// Blocking work (hashing, verification, disk, linking): runs on the agent's pool, never on its main thread. Safe from
// several threads.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/bundle_store.h"
#include "preload/agent/key_pin.h"
#include "preload/agent/layer_cache.h"
#include "preload/agent/policy.h"
#include "shared/base/error.h"
#include "shared/bundle/manifest.h"
#include "shared/policy/workload.h"

namespace egress {

// For whom a bundle must be, and from when on.
struct BundleExpectation {
  BundleName name;
  std::string bundle_key;          // EGRESS_BUNDLE_KEY; empty: the pinned key
  std::uint64_t min_revision = 0;  // the one in force
  // What a session with a token claims besides; empty: nothing. The registration must agree.
  std::map<std::string, std::string> labels{};
  std::string target{};
  bool authenticated = false;  // an earlier bundle was the token's: nothing less will do
};

struct VerifiedManifest {
  Manifest manifest;
  std::string manifest_json;
  std::string envelope_json;
  std::vector<std::shared_ptr<const CompiledLayer>> layers;  // parallel to manifest.stack; nullptr: to be fetched
};

class BundleIntake {
 public:
  BundleIntake(BundleStore& store, KeyPin& pins) : store_(store), pins_(pins) {}

  // Signature, identity, revision, key; kForbidden if a trusted manifest says that the workload is not who it claims to
  // be. Then the layers that memory or disk already hold. A key seen first
  // is pinned only if `may_pin`: what lies on disk cannot vouch for itself.
  Expected<VerifiedManifest> verify_manifest(std::string envelope_json, const BundleExpectation& expected,
                                             bool may_pin);

  // A fetched layer: size, hash, FlatBuffers verifier, id. Kept on disk and in memory.
  Expected<std::shared_ptr<const CompiledLayer>> admit_layer(const LayerRef& ref, const std::string& bytes);

  // Every layer present. Persists nothing.
  Expected<PolicyPtr> link(VerifiedManifest verified, Workload workload, std::vector<Endpoint> control_plane);

  struct StoredPolicy {
    PolicyPtr policy;
    UnixMillis confirmed_ms = 0;
  };
  // The whole way from disk. kNotFound if there is no bundle.
  Expected<StoredPolicy> load_stored(const BundleExpectation& expected, Workload workload,
                                     std::vector<Endpoint> control_plane);

 private:
  Expected<void> check_key(const PublicKey& key, const BundleExpectation& expected, bool may_pin);
  Expected<std::shared_ptr<const CompiledLayer>> load_layer(const LayerRef& ref, const std::string& bytes);

  BundleStore& store_;
  KeyPin& pins_;
  LayerCache cache_;
};

}  // namespace egress
