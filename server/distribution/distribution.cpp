#include "server/distribution/distribution.h"

#include <spdlog/spdlog.h>

#include "server/distribution/layer_source.h"
#include "server/service/cascade.h"
#include "server/service/effective_settings.h"
#include "server/service/egress_policy.h"
#include "server/service/namespaces.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxReportedGaps = 10'000;

bool is_within(const std::string& path, const std::optional<std::string>& subtree) {
  return !subtree || path == *subtree || is_descendant_namespace(path, *subtree);
}

}  // namespace

// What a stack is made of, read in one snapshot. The global table's entries only if their layer must be made.
struct Distribution::Sources {
  std::uint64_t revision = 0;
  std::uint64_t egress_revision = 0;
  std::optional<std::vector<EgressEntry>> egress_entries;
  std::vector<NamespaceRecord> chain;  // leaf to root
  std::optional<Mode> server_mode;
};

Result<std::shared_ptr<const Distribution::Stack>> Distribution::current(const std::string& namespace_path) {
  const auto find_cached = [&]() -> std::shared_ptr<const Stack> {
    const std::lock_guard lock(mutex_);
    const auto found = stacks_.find(namespace_path);
    return found == stacks_.end() ? nullptr : found->second;
  };
  if (auto cached = find_cached()) return cached;
  const std::lock_guard building(build_mutex_);
  if (auto cached = find_cached()) return cached;
  return build(namespace_path);
}

Result<std::shared_ptr<const Distribution::Stack>> Distribution::build(const std::string& namespace_path) {
  std::uint64_t changes_before = 0;
  {
    const std::lock_guard lock(mutex_);
    changes_before = changes_;
  }
  const auto sources = read_sources(namespace_path);
  if (!sources) return tl::unexpected(Refusal(sources.error()));
  if (!*sources) return refuse_unknown_namespace(namespace_path);
  const Sources& from = **sources;
  report_gaps(namespace_path, from.chain);

  auto references = link_references(from);
  if (!references) return tl::unexpected(references.error());
  const EffectiveSettings settings = effective_settings(from.chain, from.server_mode);
  Stack stack;
  stack.manifest.revision = from.revision;
  stack.manifest.namespace_path = namespace_path;
  stack.manifest.stack = *std::move(references);
  stack.manifest.default_action = from.chain.back().default_action.value_or(Action::kDeny);
  stack.manifest.mode = settings.mode;
  stack.manifest.loopback = settings.loopback;
  stack.manifest.lookups = settings.lookups;
  stack.tag = content_tag(stack.manifest);
  auto shared = std::make_shared<const Stack>(std::move(stack));

  const std::lock_guard lock(mutex_);
  if (changes_ == changes_before) stacks_.insert_or_assign(namespace_path, shared);
  return shared;
}

Expected<std::optional<Distribution::Sources>> Distribution::read_sources(const std::string& namespace_path) {
  return store_.read([&](Reader& reader) -> std::optional<Sources> {
    Sources sources;
    sources.chain = existing_chain(reader, namespace_path);
    if (sources.chain.empty() || sources.chain.front().path != namespace_path) return std::nullopt;
    sources.revision = reader.revision();
    sources.server_mode = reader.server_mode();
    sources.egress_revision = reader.egress_revision();
    if (!shelf_.find(std::string(kEgressLayer), sources.egress_revision)) {
      sources.egress_entries = reader.egress_entries();
    }
    return sources;
  });
}

Result<std::vector<LayerRef>> Distribution::link_references(const Sources& sources) {
  std::vector<LayerRef> references;
  if (sources.egress_entries) {
    auto made = shelf_.add(make_egress_layer(*sources.egress_entries), sources.egress_revision);
    if (!made) return tl::unexpected(made.error());
    references.push_back(*std::move(made));
  } else {
    // Found while the sources were read, and only replaced under build_mutex_, which is held.
    references.push_back(*shelf_.find(std::string(kEgressLayer), sources.egress_revision));
  }
  for (const NamespaceRecord& record : sources.chain) {
    if (auto found = shelf_.find("namespace:" + record.path, record.revision)) {
      references.push_back(*std::move(found));
      continue;
    }
    auto made = shelf_.add(make_namespace_layer(record), record.revision);
    if (!made) return tl::unexpected(made.error());
    references.push_back(*std::move(made));
  }
  return references;
}

void Distribution::report_gaps(const std::string& namespace_path, const std::vector<NamespaceRecord>& chain) {
  if (chain.size() == namespace_depth(namespace_path) + 1) return;
  if (reported_gaps_.size() >= kMaxReportedGaps) reported_gaps_.clear();
  if (!reported_gaps_.insert(namespace_path).second) return;
  for (const std::string_view ancestor : ancestor_namespaces(namespace_path)) {
    bool exists = false;
    for (const NamespaceRecord& record : chain) exists |= record.path == ancestor;
    if (!exists) spdlog::warn("namespace {}: its ancestor {} does not exist and is skipped", namespace_path, ancestor);
  }
}

std::string Distribution::tag_for(const Stack& stack, const std::string& workload) const {
  Manifest manifest = stack.manifest;
  manifest.workload = workload;
  return content_tag(manifest);
}

std::string Distribution::sign_for(const Stack& stack, const std::string& workload) const {
  Manifest manifest = stack.manifest;
  manifest.workload = workload;
  manifest.issued_at_ms = clock_.now_ms();
  return render_signed_manifest(sign_manifest(manifest, key_));
}

void Distribution::policy_changed(const PolicyChange& change) {
  {
    const std::lock_guard lock(mutex_);
    ++changes_;
    std::erase_if(stacks_, [&](const auto& item) { return is_within(item.first, change.subtree); });
  }
  for (const std::string& topic : waiters_.topics()) {
    if (!is_within(topic, change.subtree)) continue;
    const auto stack = current(topic);
    if (stack) {
      waiters_.publish(topic, (*stack)->tag);
      continue;
    }
    // Gone, or it cannot be built: the waiters' own attempts answer with the reason.
    if (stack.error().kind != ErrorCode::kNotFound) {
      spdlog::error("the bundle of namespace {} cannot be made: {}", topic, stack.error().message);
    }
    waiters_.wake_all(topic);
  }
}

}  // namespace egress::server
