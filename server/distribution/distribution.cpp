#include "server/distribution/distribution.h"

#include <spdlog/spdlog.h>

#include "server/service/cascade.h"
#include "server/service/effective_settings.h"
#include "server/service/egress_layer.h"
#include "server/service/egress_write.h"
#include "server/service/namespace_write.h"
#include "shared/policy/assemble.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxReportedGaps = 10'000;

bool is_within(const std::string& path, const std::optional<std::string>& subtree) {
  return !subtree || path == *subtree || is_descendant_namespace(path, *subtree);
}

Manifest make_manifest(const Distribution::Stack& stack, const BundleHolder& holder) {
  Manifest manifest = stack.manifest;
  manifest.workload = holder.workload;
  manifest.authenticated = holder.authenticated;
  manifest.labels = holder.labels;
  manifest.target = holder.target;
  manifest.token_binding = holder.token_binding;
  return manifest;
}

}  // namespace

// What a stack is made of, read in one snapshot. The global table's entries only if their layer must be made.
struct Distribution::Sources {
  std::uint64_t revision = 0;
  std::uint64_t egress_revision = 0;
  std::optional<std::vector<EgressEntry>> egress_entries;
  std::vector<NamespaceRecord> chain;  // leaf to root
  std::optional<Mode> server_mode;
  std::shared_ptr<const DocumentSet> documents;
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
  using Found = Expected<std::optional<Sources>>;
  auto found = store_.read([&](Reader& reader) -> Found {
    Sources sources;
    sources.chain = existing_chain(reader, namespace_path);
    if (sources.chain.empty() || sources.chain.front().path != namespace_path) return std::nullopt;
    sources.revision = reader.revision();
    sources.server_mode = reader.server_mode();
    sources.egress_revision = reader.egress_revision();
    if (!shelf_.find(std::string(kEgressLayer), sources.egress_revision)) {
      sources.egress_entries = reader.egress_entries();
    }
    auto documents = documents_.current(reader);
    if (!documents) return tl::unexpected(documents.error());
    sources.documents = *std::move(documents);
    return sources;
  });
  if (!found) return tl::unexpected(found.error());
  return *std::move(found);
}

Result<LayerRef> Distribution::find_or_add(const std::string& id, std::uint64_t source_revision,
                                           const std::function<Layer()>& make) {
  if (auto found = shelf_.find(id, source_revision)) return *std::move(found);
  return shelf_.add(make(), source_revision);
}

Result<std::vector<LayerRef>> Distribution::link_references(const Sources& sources) {
  std::vector<LayerRef> references;
  const auto append = [&](const std::string& id, std::uint64_t source_revision,
                          const std::function<Layer()>& make) -> Result<void> {
    auto made = find_or_add(id, source_revision, make);
    if (!made) return tl::unexpected(made.error());
    references.push_back(*std::move(made));
    return {};
  };
  // Without entries the layer was on the shelf when the sources were read, and is only replaced under build_mutex_.
  auto done = append(std::string(kEgressLayer), sources.egress_revision,
                     [&] { return make_egress_layer(sources.egress_entries.value()); });
  if (!done) return tl::unexpected(done.error());
  for (const NamespaceRecord& record : sources.chain) {
    done = append("namespace:" + record.path, record.revision,
                  [&] { return make_namespace_layer(record.path, record.allowed, record.blocked); });
    if (!done) return tl::unexpected(done.error());
  }
  const auto policies = assemble_policy_layers(sources.documents->documents, sources.chain.front().path);
  for (const Layer& layer : policies.layers) {
    done = append(layer.id, sources.documents->revision, [&] { return layer; });
    if (!done) return tl::unexpected(done.error());
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

std::string Distribution::tag_for(const Stack& stack, const BundleHolder& holder) const {
  return content_tag(make_manifest(stack, holder));
}

std::string Distribution::sign_for(const Stack& stack, const BundleHolder& holder) const {
  Manifest manifest = make_manifest(stack, holder);
  manifest.issued_at_ms = clock_.now_ms();
  return render_signed_manifest(sign_manifest(manifest, key_));
}

std::size_t Distribution::sessions_below(const std::string& subtree) const {
  std::size_t count = 0;
  for (const std::string& topic : waiters_.topics()) {
    if (is_within(topic, subtree)) count += waiters_.size_of(topic);
  }
  return count;
}

void Distribution::workloads_closed() {
  for (const std::string& topic : waiters_.topics()) waiters_.wake_all(topic);
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
