// Layers, manifests and signatures made on the spot, as a server would.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/bundle/manifest.h"
#include "shared/bundle/signature.h"
#include "shared/compile/compiled_layer.h"
#include "shared/policy/rule.h"

namespace egress {

struct MadeBundle {
  Manifest manifest;
  std::string envelope;
  std::map<std::string, std::string> layers;  // by hash in hex
};

inline Rule allow_host(const std::string& host) {
  Rule rule;
  rule.action = Action::kAllow;
  rule.hosts = {{.kind = HostPatternKind::kExact, .text = host}};
  rule.name = "allow " + host;
  return rule;
}

inline Rule block_host(const std::string& host) {
  Rule rule = allow_host(host);
  rule.action = Action::kDeny;
  rule.name = "block " + host;
  return rule;
}

// A stack of one namespace layer that allows `hosts`, loopback enforced.
inline MadeBundle make_bundle(const SigningKey& key, std::uint64_t revision, const std::string& namespace_path,
                              const std::vector<Rule>& rules, Manifest manifest = {}) {
  Layer layer;
  layer.id = "namespace:" + namespace_path;
  layer.unmatched = Vote::kDeny;
  layer.rules = rules;
  const auto bytes = compile_layer(layer);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  MadeBundle bundle;
  manifest.revision = revision;
  manifest.namespace_path = namespace_path;
  if (manifest.loopback == LoopbackMode::kPass) manifest.loopback = LoopbackMode::kEnforce;
  manifest.issued_at_ms = 1'700'000'000'000;
  manifest.stack = {{.id = layer.id, .hash = sha256(text), .size_bytes = text.size(), .unmatched = Vote::kDeny}};
  bundle.layers[format_sha256(manifest.stack[0].hash)] = text;
  bundle.envelope = render_signed_manifest(sign_manifest(manifest, key));
  bundle.manifest = manifest;
  return bundle;
}

}  // namespace egress
