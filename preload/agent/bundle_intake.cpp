#include "preload/agent/bundle_intake.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "shared/base/limits.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

std::string describe_labels(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [key, value] : labels) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text;
}

// Whether the manifest is this session's: without a token by what was asked for, with one by its token.
Expected<void> check_addressee(const Manifest& manifest, const BundleExpectation& expected) {
  const auto refuse = [](const std::string& why) { return fail(ErrorCode::kUntrusted, "bundle refused: " + why); };
  const BundleName& name = expected.name;
  if (manifest.authenticated) {
    if (name.token.empty()) return refuse("it is for a workload's token, and this session has none");
    if (manifest.token_binding != make_token_binding(format_sha256(sha256(name.token)))) {
      return refuse("it is for the token of another workload");
    }
    return {};
  }
  if (expected.authenticated) return refuse("it no longer says that the workload is authenticated");
  const std::string_view asked =
      name.namespace_path.empty() ? kDefaultNamespace : std::string_view(name.namespace_path);
  if (manifest.namespace_path != asked) {
    return refuse("it is for namespace \"" + manifest.namespace_path + "\", asked for \"" + std::string(asked) + "\"");
  }
  if (manifest.workload != name.workload) {
    return refuse("it is for workload \"" + manifest.workload + "\", asked for \"" + name.workload + "\"");
  }
  return {};
}

// Claims beside a token may repeat what the registration says, not change it.
Expected<void> check_claims(const Manifest& manifest, const BundleExpectation& expected) {
  if (!manifest.authenticated) return {};
  const auto contradict = [&](const char* variable, const std::string& claimed, const std::string& registered) {
    return fail(ErrorCode::kForbidden,
                std::string(variable) + " says \"" + claimed + "\", but the token is that of workload " +
                    manifest.workload + " in namespace " + manifest.namespace_path + ", registered with \"" +
                    registered + "\": unset " + variable + ", or use the token of the workload that is meant");
  };
  const BundleName& name = expected.name;
  if (!name.namespace_path.empty() && name.namespace_path != manifest.namespace_path) {
    return contradict("EGRESS_NAMESPACE", name.namespace_path, manifest.namespace_path);
  }
  if (!name.workload.empty() && name.workload != manifest.workload) {
    return contradict("EGRESS_WORKLOAD", name.workload, manifest.workload);
  }
  if (!expected.labels.empty() && expected.labels != manifest.labels) {
    return contradict("EGRESS_LABELS", describe_labels(expected.labels), describe_labels(manifest.labels));
  }
  if (!expected.target.empty() && expected.target != manifest.target) {
    return contradict("EGRESS_TARGET", expected.target, manifest.target);
  }
  return {};
}

}  // namespace

Expected<void> BundleIntake::check_key(const PublicKey& key, const BundleExpectation& expected, bool may_pin) {
  if (!expected.bundle_key.empty()) {
    const auto trusted = parse_public_key(expected.bundle_key);
    if (!trusted) return tl::unexpected(trusted.error());
    if (*trusted == key) return {};
    return fail(ErrorCode::kUntrusted, "bundle of " + expected.name.server + " is signed by key " + key_id(key) +
                                           ", but EGRESS_BUNDLE_KEY is key " + key_id(*trusted));
  }
  if (may_pin) return pins_.accept(expected.name.server, key);
  const auto pinned = pins_.find(expected.name.server);
  if (!pinned) return tl::unexpected(pinned.error());
  if (pinned->has_value() && **pinned == key) return {};
  return fail(ErrorCode::kUntrusted, "the stored bundle of " + expected.name.server + " is signed by key " +
                                         key_id(key) + ", which is not the pinned one");
}

Expected<VerifiedManifest> BundleIntake::verify_manifest(std::string envelope_json, const BundleExpectation& expected,
                                                         bool may_pin) {
  auto envelope = parse_signed_manifest(envelope_json);
  if (!envelope) return tl::unexpected(envelope.error());
  if (envelope->manifest_json.size() > kMaxManifestBytes) {
    return fail(ErrorCode::kTooLarge, "manifest is larger than " + std::to_string(kMaxManifestBytes) + " bytes");
  }
  // Content first: a bundle that is not for us must not pin a key.
  auto manifest = parse_manifest(envelope->manifest_json);
  if (!manifest) return tl::unexpected(manifest.error());
  const auto refuse = [](const std::string& why) { return fail(ErrorCode::kUntrusted, "bundle refused: " + why); };
  if (auto ours = check_addressee(*manifest, expected); !ours) return tl::unexpected(ours.error());
  if (manifest->revision < expected.min_revision) {
    return refuse("revision " + std::to_string(manifest->revision) + " is older than the one in force, " +
                  std::to_string(expected.min_revision));
  }
  if (manifest->stack.size() > kMaxStackLayers) return refuse("more than 256 layers");
  if (auto trusted = check_key(envelope->key, expected, may_pin); !trusted) return tl::unexpected(trusted.error());
  if (auto agreed = check_claims(*manifest, expected); !agreed) return tl::unexpected(agreed.error());

  VerifiedManifest verified;
  for (const LayerRef& ref : manifest->stack) {
    auto layer = cache_.find(ref.hash);
    if (layer == nullptr) {
      // Missing or corrupt on disk: the caller fetches it anew.
      if (const auto bytes = store_.load_layer(ref.hash, ref.size_bytes)) {
        auto loaded = load_layer(ref, *bytes);
        if (!loaded) return tl::unexpected(loaded.error());
        layer = std::move(*loaded);
      }
    } else if (layer->id() != ref.id) {
      return refuse("layer " + format_sha256(ref.hash) + " is \"" + std::string(layer->id()) + "\", not \"" + ref.id +
                    "\"");
    }
    verified.layers.push_back(std::move(layer));
  }
  verified.manifest = std::move(*manifest);
  verified.manifest_json = std::move(envelope->manifest_json);
  verified.envelope_json = std::move(envelope_json);
  return verified;
}

Expected<std::shared_ptr<const CompiledLayer>> BundleIntake::load_layer(const LayerRef& ref, const std::string& bytes) {
  const auto view = std::as_bytes(std::span(bytes));
  auto loaded = CompiledLayer::load(std::vector<std::byte>(view.begin(), view.end()));
  if (!loaded) return tl::unexpected(loaded.error());
  if (loaded->id() != ref.id) {
    return fail(ErrorCode::kCorrupt, "layer " + format_sha256(ref.hash) + " is \"" + std::string(loaded->id()) +
                                         "\", the manifest says \"" + ref.id + "\"");
  }
  auto layer = std::make_shared<const CompiledLayer>(std::move(*loaded));
  cache_.add(ref.hash, layer);
  return layer;
}

Expected<std::shared_ptr<const CompiledLayer>> BundleIntake::admit_layer(const LayerRef& ref,
                                                                         const std::string& bytes) {
  if (bytes.size() != ref.size_bytes) {
    return fail(ErrorCode::kCorrupt, "layer \"" + ref.id + "\" has " + std::to_string(bytes.size()) +
                                         " bytes, the manifest says " + std::to_string(ref.size_bytes));
  }
  if (sha256(bytes) != ref.hash) {
    return fail(ErrorCode::kCorrupt, "layer \"" + ref.id + "\" does not have the hash " + format_sha256(ref.hash));
  }
  auto layer = load_layer(ref, bytes);
  if (!layer) return layer;
  // A full disk must not keep a verified policy from the workloads: it only costs the next start a download.
  if (auto saved = store_.save_layer(ref.hash, bytes); !saved)
    spdlog::error("layer not kept: {}", saved.error().message);
  return layer;
}

Expected<PolicyPtr> BundleIntake::link(VerifiedManifest verified, Workload workload,
                                       std::vector<Endpoint> control_plane) {
  workload = judged_workload(verified.manifest, std::move(workload));
  return make_policy(std::move(verified.manifest), std::move(verified.manifest_json), std::move(verified.layers),
                     workload, std::move(control_plane));
}

Expected<BundleIntake::StoredPolicy> BundleIntake::load_stored(const BundleExpectation& expected, Workload workload,
                                                               std::vector<Endpoint> control_plane) {
  auto stored = store_.load_manifest(expected.name);
  if (!stored) return tl::unexpected(stored.error());
  auto verified = verify_manifest(std::move(stored->envelope_json), expected, false);
  if (!verified) return tl::unexpected(verified.error());
  for (std::size_t i = 0; i < verified->layers.size(); ++i) {
    if (verified->layers[i] == nullptr) {
      return fail(ErrorCode::kCorrupt,
                  "the stored bundle lacks a whole layer \"" + verified->manifest.stack[i].id + "\"");
    }
  }
  auto policy = link(std::move(*verified), std::move(workload), std::move(control_plane));
  if (!policy) return tl::unexpected(policy.error());
  return StoredPolicy{std::move(*policy), stored->confirmed_ms};
}

}  // namespace egress
