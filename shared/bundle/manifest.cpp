#include "shared/bundle/manifest.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "shared/base/limits.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kFormat = "egress.manifest/1";
constexpr std::string_view kBindingPurpose = "egress.token-binding/1\n";

std::string_view name_of(StaleAction action) { return action == StaleAction::kDeny ? "deny" : "keep"; }

ordered_json render(const LayerRef& layer) {
  return {{"id", layer.id},
          {"unmatched", egress::name_of(layer.unmatched)},
          {"sha256", format_sha256(layer.hash)},
          {"size", layer.size_bytes}};
}

// Everything that decides; what content_tag() hashes.
ordered_json render_content(const Manifest& manifest) {
  ordered_json stack = ordered_json::array();
  for (const LayerRef& layer : manifest.stack) stack.push_back(render(layer));
  return {{"format", kFormat},
          {"namespace", manifest.namespace_path},
          {"workload", manifest.workload},
          {"stack", std::move(stack)},
          {"default_action", egress::name_of(manifest.default_action)},
          {"mode", egress::name_of(manifest.mode)},
          {"loopback", egress::name_of(manifest.loopback)},
          {"lookups", egress::name_of(manifest.lookups)},
          {"authenticated", manifest.authenticated},
          {"labels", manifest.labels},
          {"target", manifest.target},
          {"token_binding", manifest.token_binding},
          {"binding_min_s", manifest.binding_min_s},
          {"binding_max_s", manifest.binding_max_s},
          {"binding_default_s", manifest.binding_default_s},
          {"max_stale_s", manifest.max_stale_s},
          {"stale_action", name_of(manifest.stale_action)}};
}

// Reads the fields of one JSON object, remembering the first problem and which fields were asked for.
class FieldReader {
 public:
  FieldReader(const json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) problem_ = path_ + " must be an object";
  }

  std::string text(const char* key, std::size_t max_bytes) {
    const json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string() || value->get_ref<const std::string&>().size() > max_bytes) {
      return refuse(key, "must be a string of at most " + std::to_string(max_bytes) + " bytes"), std::string();
    }
    return value->get<std::string>();
  }

  std::int64_t integer(const char* key, std::int64_t min, std::int64_t max) {
    const json* value = find(key);
    if (value == nullptr) return 0;
    const bool fits =
        value->is_number_unsigned()
            ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(max) &&
                  (min < 0 || value->get<std::uint64_t>() >= static_cast<std::uint64_t>(min))
            : value->is_number_integer() && value->get<std::int64_t>() >= min && value->get<std::int64_t>() <= max;
    if (!fits) return refuse(key, "must be an integer in " + std::to_string(min) + ".." + std::to_string(max)), 0;
    return value->get<std::int64_t>();
  }

  bool boolean(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return refuse(key, "must be true or false"), false;
    return value->get<bool>();
  }

  template <typename Enum>
  Enum choice(const char* key, std::optional<Enum> (*find_value)(std::string_view)) {
    const std::string name = text(key, 32);
    if (!problem_.empty()) return Enum{};
    const auto value = find_value(name);
    if (!value) return refuse(key, "has the unknown value \"" + name + "\""), Enum{};
    return *value;
  }

  std::map<std::string, std::string> labels(const char* key) {
    std::map<std::string, std::string> result;
    const json* value = find(key);
    if (value == nullptr) return result;
    bool fits = value->is_object() && value->size() <= kMaxLabels;
    for (auto item = value->begin(); fits && item != value->end(); ++item) {
      fits = !item.key().empty() && item.key().size() <= kMaxLabelBytes && item->is_string() &&
             item->get_ref<const std::string&>().size() <= kMaxLabelBytes;
      if (fits) result[item.key()] = item->get<std::string>();
    }
    if (!fits) refuse(key, "must be an object of at most 64 labels of at most 255 bytes a side");
    return result;
  }

  const json* array(const char* key) {
    const json* value = find(key);
    if (value != nullptr && !value->is_array()) return refuse(key, "must be a list"), nullptr;
    return value;
  }

  void refuse(const std::string& key, const std::string& why) {
    if (problem_.empty()) problem_ = path_ + "." + key + " " + why;
  }

  // The first problem, an unknown field included; empty if there is none.
  std::string finish() {
    if (!problem_.empty()) return problem_;
    for (const auto& [key, value] : object_.items()) {
      if (!seen_.contains(key)) return path_ + "." + key + " is unknown";
    }
    return {};
  }

 private:
  const json* find(const char* key) {
    if (!problem_.empty()) return nullptr;
    seen_.insert(key);
    const auto found = object_.find(key);
    if (found == object_.end()) return refuse(key, "is missing"), nullptr;
    return &*found;
  }

  const json& object_;
  std::string path_;
  std::string problem_;
  std::set<std::string> seen_;
};

std::optional<StaleAction> find_stale_action(std::string_view name) {
  if (name == "keep") return StaleAction::kKeep;
  if (name == "deny") return StaleAction::kDeny;
  return std::nullopt;
}

json parse_bounded(std::string_view text) {
  return text.size() > kMaxManifestBytes ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
}

Expected<LayerRef> parse_layer_ref(const json& value, const std::string& path) {
  FieldReader fields(value, path);
  LayerRef layer;
  layer.id = fields.text("id", 1024);
  layer.unmatched = fields.choice<Vote>("unmatched", find_vote);
  const std::string hash = fields.text("sha256", 64);
  layer.size_bytes = static_cast<std::uint64_t>(fields.integer("size", 1, static_cast<std::int64_t>(kMaxLayerBytes)));
  if (const auto digest = parse_sha256(hash)) {
    layer.hash = *digest;
  } else {
    fields.refuse("sha256", "must be 64 hex digits");
  }
  if (const std::string problem = fields.finish(); !problem.empty()) return fail(ErrorCode::kCorrupt, problem);
  return layer;
}

// A registered workload has a name and a token; whoever is not registered has nothing but its claims.
void check_identity(const Manifest& manifest, FieldReader& fields) {
  if (manifest.authenticated) {
    if (manifest.workload.empty()) fields.refuse("workload", "must name the authenticated workload");
    if (!parse_sha256(manifest.token_binding)) fields.refuse("token_binding", "must be 64 hex digits");
    return;
  }
  if (!manifest.labels.empty()) fields.refuse("labels", "must be empty: nobody vouches for them");
  if (!manifest.target.empty()) fields.refuse("target", "must be empty: nobody vouches for it");
  if (!manifest.token_binding.empty()) fields.refuse("token_binding", "must be empty: there is no token");
}

}  // namespace

std::string render_manifest(const Manifest& manifest) {
  ordered_json document = render_content(manifest);
  document["revision"] = manifest.revision;
  document["issued_at"] = format_time(manifest.issued_at_ms);
  return document.dump();
}

Expected<Manifest> parse_manifest(std::string_view text) {
  const json document = parse_bounded(text);
  if (document.is_discarded()) return fail(ErrorCode::kCorrupt, "the manifest is not JSON of at most 1 MiB");
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kTenYearsSeconds = 10LL * 366 * 86'400;
  FieldReader fields(document, "manifest");
  Manifest manifest;
  if (fields.text("format", 64) != kFormat) fields.refuse("format", "must be " + std::string(kFormat));
  manifest.namespace_path = fields.text("namespace", 2048);
  manifest.workload = fields.text("workload", 1024);
  const json* stack = fields.array("stack");
  manifest.default_action = fields.choice<Action>("default_action", find_action);
  manifest.mode = fields.choice<Mode>("mode", find_mode);
  manifest.loopback = fields.choice<LoopbackMode>("loopback", find_loopback_mode);
  manifest.lookups = fields.choice<LookupMode>("lookups", find_lookup_mode);
  manifest.authenticated = fields.boolean("authenticated");
  manifest.labels = fields.labels("labels");
  manifest.target = fields.text("target", kMaxLabelBytes);
  manifest.token_binding = fields.text("token_binding", 64);
  check_identity(manifest, fields);
  manifest.binding_min_s = fields.integer("binding_min_s", 1, kTenYearsSeconds);
  manifest.binding_max_s = fields.integer("binding_max_s", manifest.binding_min_s, kTenYearsSeconds);
  manifest.binding_default_s = fields.integer("binding_default_s", manifest.binding_min_s, manifest.binding_max_s);
  manifest.max_stale_s = fields.integer("max_stale_s", 0, kTenYearsSeconds);
  manifest.stale_action = fields.choice<StaleAction>("stale_action", find_stale_action);
  manifest.revision = static_cast<std::uint64_t>(fields.integer("revision", 1, kMax));
  const std::string issued_at = fields.text("issued_at", 64);
  if (const auto time = parse_time(issued_at)) {
    manifest.issued_at_ms = *time;
  } else {
    fields.refuse("issued_at", "must be an RFC 3339 time");
  }
  if (!parse_namespace_path(manifest.namespace_path)) fields.refuse("namespace", "must be a namespace path");
  if (const std::string problem = fields.finish(); !problem.empty()) return fail(ErrorCode::kCorrupt, problem);

  if (stack->size() > kMaxStackLayers) return fail(ErrorCode::kTooLarge, "manifest.stack has more than 256 layers");
  for (std::size_t i = 0; i < stack->size(); ++i) {
    auto layer = parse_layer_ref((*stack)[i], "manifest.stack[" + std::to_string(i) + "]");
    if (!layer) return tl::unexpected(layer.error());
    manifest.stack.push_back(*std::move(layer));
  }
  return manifest;
}

std::string make_token_binding(std::string_view token_sha256) {
  return format_sha256(sha256(std::string(kBindingPurpose) + std::string(token_sha256)));
}

std::string content_tag(const Manifest& manifest) {
  return format_sha256(sha256(render_content(manifest).dump())).substr(0, 32);
}

SignedManifest sign_manifest(const Manifest& manifest, const SigningKey& key) {
  SignedManifest result;
  result.manifest_json = render_manifest(manifest);
  result.key = key.public_key();
  result.signature = key.sign(result.manifest_json);
  return result;
}

std::string render_signed_manifest(const SignedManifest& signed_manifest) {
  return ordered_json{{"manifest", signed_manifest.manifest_json},
                      {"key_id", key_id(signed_manifest.key)},
                      {"public_key", format_base64(signed_manifest.key)},
                      {"signature", format_base64(signed_manifest.signature)}}
      .dump();
}

Expected<SignedManifest> parse_signed_manifest(std::string_view text) {
  const json document = parse_bounded(text);
  if (document.is_discarded()) return fail(ErrorCode::kCorrupt, "the signed manifest is not JSON of at most 1 MiB");
  FieldReader fields(document, "bundle");
  SignedManifest result;
  result.manifest_json = fields.text("manifest", kMaxManifestBytes);
  const std::string id = fields.text("key_id", 64);
  if (!parse_base64(fields.text("public_key", 64), result.key))
    fields.refuse("public_key", "must be 32 bytes in base64");
  if (!parse_base64(fields.text("signature", 128), result.signature)) {
    fields.refuse("signature", "must be 64 bytes in base64");
  }
  if (id != key_id(result.key)) fields.refuse("key_id", "does not name the public key");
  if (const std::string problem = fields.finish(); !problem.empty()) return fail(ErrorCode::kCorrupt, problem);
  if (!verify(result.key, result.manifest_json, result.signature)) {
    return fail(ErrorCode::kUntrusted, "the manifest's signature does not hold");
  }
  return result;
}

}  // namespace egress
