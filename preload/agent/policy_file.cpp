#include "preload/agent/policy_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "shared/bundle/digest.h"
#include "shared/compile/compiled_layer.h"
#include "shared/manifest/parse.h"
#include "shared/manifest/references.h"
#include "shared/policy/assemble.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

const NamespaceDocument* find_namespace(const std::vector<Document>& documents, std::string_view path) {
  for (const Document& document : documents) {
    const auto* found = std::get_if<NamespaceDocument>(&document);
    if (found != nullptr && found->head.name == path) return found;
  }
  return nullptr;
}

// A PolicyTest says nothing about what is allowed.
bool holds_mirrord_kinds_alone(const std::vector<Document>& documents) {
  bool any = false;
  for (const Document& document : documents) {
    if (std::holds_alternative<PolicyTest>(document)) continue;
    if (!std::holds_alternative<MirrordPolicy>(document)) return false;
    any = true;
  }
  return any;
}

void apply_settings(const std::vector<Document>& documents, Manifest& manifest) {
  manifest.default_action = holds_mirrord_kinds_alone(documents) ? Action::kAllow : Action::kDeny;
  const NamespaceDocument* root = find_namespace(documents, kRootNamespace);
  if (root != nullptr && root->default_action) manifest.default_action = *root->default_action;

  std::vector<std::string_view> path{manifest.namespace_path};
  const auto ancestors = ancestor_namespaces(manifest.namespace_path);
  path.insert(path.end(), ancestors.begin(), ancestors.end());
  std::optional<Mode> mode;
  std::optional<LoopbackMode> loopback;
  std::optional<LookupMode> lookups;
  for (const std::string_view level : path) {
    const NamespaceDocument* document = find_namespace(documents, level);
    if (document == nullptr) continue;
    if (!mode) mode = document->mode;
    if (!loopback) loopback = document->loopback;
    if (!lookups) lookups = document->lookups;
  }
  manifest.mode = mode.value_or(manifest.mode);
  manifest.loopback = loopback.value_or(manifest.loopback);
  manifest.lookups = lookups.value_or(manifest.lookups);
}

}  // namespace

PolicyFile parse_policy_file(std::string_view text, std::string_view namespace_path) {
  PolicyFile file;
  if (text.size() > kMaxPolicyFileBytes) {
    file.problems.push_back(
        {0, 1, 1, {}, "is larger than " + std::to_string(kMaxPolicyFileBytes >> 20) + " MiB", "a smaller policy file"});
    return file;
  }
  const std::string_view home = namespace_path == kDefaultNamespace ? std::string_view() : namespace_path;
  ParsedManifest parsed = parse_manifest_documents(text, home);
  file.documents = std::move(parsed.documents);
  file.problems = std::move(parsed.problems);
  file.warnings = std::move(parsed.warnings);
  if (file.problems.empty() && file.documents.empty()) {
    file.problems.push_back({0, 1, 1, {}, "holds no document", "at least one policy"});
  }
  if (file.problems.empty()) file.problems = find_reference_problems(file.documents);
  if (!file.problems.empty()) file.documents.clear();
  return file;
}

Expected<PolicyPtr> make_file_policy(const std::vector<Document>& documents, const Workload& workload, bool shadow,
                                     UnixMillis now_ms) {
  Manifest manifest;  // revision 0: no server's
  manifest.namespace_path = workload.namespace_path;
  manifest.workload = workload.name;
  manifest.max_stale_s = 0;
  manifest.issued_at_ms = now_ms;
  apply_settings(documents, manifest);
  if (shadow) manifest.mode = Mode::kShadow;

  std::vector<std::shared_ptr<const CompiledLayer>> layers;
  for (const Layer& layer : assemble_stack(documents, workload.namespace_path).layers) {
    std::vector<std::byte> bytes = compile_layer(layer);
    manifest.stack.push_back({layer.id, sha256(bytes), bytes.size(), layer.unmatched});
    auto compiled = CompiledLayer::load(std::move(bytes));
    if (!compiled) {
      return fail(compiled.error().code, "the policy file's layer " + layer.id + ": " + compiled.error().message);
    }
    layers.push_back(std::make_shared<const CompiledLayer>(std::move(*compiled)));
  }
  return make_policy(std::move(manifest), {}, std::move(layers), workload, {});
}

std::string describe_problem(const Problem& problem) {
  std::string text = "line " + std::to_string(problem.line) + ", column " + std::to_string(problem.column) + ": ";
  if (!problem.path.empty()) text += problem.path + ": ";
  text += problem.message;
  if (!problem.expected.empty()) text += " (expected " + problem.expected + ")";
  return text;
}

}  // namespace egress
