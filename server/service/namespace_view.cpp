#include "server/service/namespace_view.h"

#include <set>

#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

// The live entries of `from` that `by` covers.
void add_covered(const std::vector<DomainEntry>& from, const std::vector<DomainEntry>& by, UnixMillis now_ms,
                 std::set<std::string>& seen, std::vector<DomainEntry>& covered) {
  const auto uncovered = find_uncovered(by, from, now_ms);
  const std::set<std::string> left(uncovered.begin(), uncovered.end());
  for (const DomainEntry& entry : from) {
    if (!is_live(entry, now_ms)) continue;
    std::string text = format_host_pattern(entry.pattern);
    if (!left.contains(text) && seen.insert(std::move(text)).second) covered.push_back(entry);
  }
}

}  // namespace

std::vector<DomainEntry> intersect(const std::vector<DomainEntry>& a, const std::vector<DomainEntry>& b,
                                   UnixMillis now_ms) {
  std::vector<DomainEntry> both;
  std::set<std::string> seen;
  add_covered(a, b, now_ms, seen, both);
  add_covered(b, a, now_ms, seen, both);
  return both;
}

NamespaceView view_of(Reader& reader, const std::vector<NamespaceRecord>& chain, UnixMillis now_ms) {
  const std::string& path = chain.front().path;
  NamespaceView view;
  view.record = chain.front();
  view.effective = effective_settings(chain, reader.server_mode());
  view.broken = find_broken(chain, now_ms);
  view.parent_exists = path == kRootNamespace || (chain.size() > 1 && chain[1].path == parent_namespace(path));
  return view;
}

NamespaceDetail detail_of(Reader& reader, const std::vector<NamespaceRecord>& chain, UnixMillis now_ms) {
  NamespaceDetail detail;
  AllowList allowed;
  std::vector<DomainEntry> blocked;
  for (const NamespaceRecord& level : chain) {
    if (level.allowed) allowed = intersect(*level.allowed, allowed.value_or(*level.allowed), now_ms);
    for (const DomainEntry& entry : level.blocked) {
      if (is_live(entry, now_ms)) blocked.push_back(entry);
    }
  }
  if (allowed) detail.effective_allowed = find_uncovered(blocked, allowed, now_ms);
  std::set<std::string> texts;
  for (const DomainEntry& entry : blocked) texts.insert(format_host_pattern(entry.pattern));
  detail.effective_blocked.assign(texts.begin(), texts.end());
  detail.broken_children = find_cascade(reader, chain.front().path, chain.front().allowed, now_ms);
  detail.view = view_of(reader, chain, now_ms);
  return detail;
}

}  // namespace egress::server
