#include "server/service/cascade.h"

#include <algorithm>
#include <unordered_set>

#include "shared/policy/namespace_path.h"

namespace egress::server {

std::vector<NamespaceRecord> existing_chain(Reader& reader, std::string_view path) {
  std::vector<NamespaceRecord> chain;
  const auto add = [&](std::string_view candidate) {
    if (auto record = reader.find_namespace(candidate)) chain.push_back(*std::move(record));
  };
  add(path);
  for (const std::string_view ancestor : ancestor_namespaces(path)) add(ancestor);
  return chain;
}

std::vector<NamespaceRecord> ChainReader::chain_of(NamespaceRecord leaf) {
  std::vector<Ancestor> ancestors;
  for (const std::string_view path : ancestor_namespaces(leaf.path)) {
    const auto known = std::find_if(ancestors_.begin(), ancestors_.end(),
                                    [&](const Ancestor& ancestor) { return ancestor.path == path; });
    if (known != ancestors_.end()) {
      ancestors.push_back(std::move(*known));
    } else {
      ancestors.push_back({std::string(path), reader_.find_namespace(path)});
    }
  }
  ancestors_ = std::move(ancestors);
  std::vector<NamespaceRecord> chain{std::move(leaf)};
  for (const Ancestor& ancestor : ancestors_) {
    if (ancestor.record) chain.push_back(*ancestor.record);
  }
  return chain;
}

std::vector<DomainEntry> added_entries(const AllowList& before, const std::vector<DomainEntry>& after,
                                       UnixMillis now_ms) {
  std::unordered_set<std::string> live;
  if (before) {
    for (const DomainEntry& entry : *before) {
      if (is_live(entry, now_ms)) live.insert(format_host_pattern(entry.pattern));
    }
  }
  std::vector<DomainEntry> added;
  for (const DomainEntry& entry : after) {
    if (!live.contains(format_host_pattern(entry.pattern))) added.push_back(entry);
  }
  return added;
}

std::optional<Widening> find_widening(std::span<const NamespaceRecord> ancestors, const std::vector<DomainEntry>& added,
                                      UnixMillis now_ms) {
  for (const NamespaceRecord& ancestor : ancestors) {
    auto uncovered = find_uncovered(ancestor.allowed, added, now_ms);
    if (!uncovered.empty()) return Widening{std::move(uncovered.front()), ancestor.path};
  }
  return std::nullopt;
}

std::vector<Uncovered> find_cascade(Reader& reader, const std::string& path, const AllowList& allowed,
                                    UnixMillis now_ms) {
  std::vector<Uncovered> cascade;
  if (!allowed) return cascade;
  std::vector<HostPattern> live;
  for (const DomainEntry& entry : *allowed) {
    if (is_live(entry, now_ms)) live.push_back(entry.pattern);
  }
  for (AllowedEntry& entry : reader.uncovered_below(path, live)) {
    if (entry.expires_at_ms && *entry.expires_at_ms <= now_ms) continue;
    if (cascade.empty() || cascade.back().child != entry.namespace_path) {
      cascade.push_back({std::move(entry.namespace_path), path, {}});
    }
    cascade.back().domains.push_back(format_host_pattern(entry.pattern));
  }
  return cascade;
}

std::vector<Uncovered> find_broken(std::span<const NamespaceRecord> chain, UnixMillis now_ms) {
  std::vector<Uncovered> broken;
  for (const NamespaceRecord& ancestor : chain.subspan(1)) {
    auto uncovered = find_uncovered(ancestor.allowed, chain.front().allowed, now_ms);
    if (!uncovered.empty()) broken.push_back({chain.front().path, ancestor.path, std::move(uncovered)});
  }
  return broken;
}

}  // namespace egress::server
