// The signed statement of what a workload's policy is: which layers, by hash, in which order, under which settings
// (control-plane.md, Distribution). Travels as JSON; the signature is over the JSON's exact bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/bundle/digest.h"
#include "shared/bundle/signature.h"
#include "shared/policy/names.h"

namespace egress {

struct LayerRef {
  std::string id;
  Sha256 hash{};
  std::uint64_t size_bytes = 0;
  Vote unmatched = Vote::kAbstain;
  friend bool operator==(const LayerRef&, const LayerRef&) = default;
};

// Past max_stale without contact, what the agent does: hold the last policy, or deny everything.
enum class StaleAction : std::uint8_t { kKeep = 0, kDeny = 1 };

struct Manifest {
  std::uint64_t revision = 0;  // only rises
  std::string namespace_path;
  std::string workload;
  std::vector<LayerRef> stack;
  Action default_action = Action::kDeny;
  Mode mode = Mode::kEnforcement;
  LoopbackMode loopback = LoopbackMode::kPass;
  LookupMode lookups = LookupMode::kResolvable;
  // Whether a workload's token asked. If so the registration says who the workload is, in all four of name, namespace,
  // labels and target, and `token_binding` ties the manifest to that token. Else these three are empty.
  bool authenticated = false;
  std::map<std::string, std::string> labels;
  std::string target;
  std::string token_binding;
  std::int64_t binding_min_s = 300;
  std::int64_t binding_max_s = 86'400;
  std::int64_t binding_default_s = 3'600;
  std::int64_t max_stale_s = 86'400;  // 0: never stale
  StaleAction stale_action = StaleAction::kKeep;
  UnixMillis issued_at_ms = 0;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

std::string render_manifest(const Manifest& manifest);
// Strict: unknown or missing fields, wrong types and values out of range are kCorrupt with the field's path.
Expected<Manifest> parse_manifest(std::string_view json);

// What ties a manifest to a workload's token, so that no other session takes it: 64 hex digits, derived from the
// SHA-256 of the token's text (itself as 64 hex digits) without telling it.
std::string make_token_binding(std::string_view token_sha256);

// Identity of a manifest's content for ETags: everything but revision and issued_at.
std::string content_tag(const Manifest& manifest);

// What GET /api/bundle answers and the agent persists:
// {"manifest": "<exact JSON text>", "key_id", "public_key", "signature"}.
struct SignedManifest {
  std::string manifest_json;
  PublicKey key{};
  Signature signature{};
};

SignedManifest sign_manifest(const Manifest& manifest, const SigningKey& key);
std::string render_signed_manifest(const SignedManifest& signed_manifest);
// Parses the envelope and proves the signature by the key it carries; whether that key is trusted is the caller's to
// say. kCorrupt if malformed, kUntrusted if the signature does not hold.
Expected<SignedManifest> parse_signed_manifest(std::string_view json);

}  // namespace egress
