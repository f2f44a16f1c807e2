#include "server/service/agent_fleet.h"

#include "shared/policy/namespace_path.h"

namespace egress::server {

Result<void> AgentFleet::load() {
  constexpr std::size_t kPage = 1000;
  std::optional<std::string> after = "";
  while (after) {
    const auto page = list(std::string(kRootNamespace), *after, kPage);
    if (!page) return tl::unexpected(page.error());
    for (const AgentStatus& status : page->items) reports_.put(status, std::nullopt);
    after = page->next_after;
  }
  return {};
}

Result<std::uint64_t> AgentFleet::report(AgentStatus status, std::optional<std::uint64_t> processes) {
  status.reported_at_ms = clock_.now_ms();
  auto revision = store_.write([&](Writer& writer) -> Result<std::uint64_t> {
    writer.put_agent_status(status);
    return writer.revision();
  });
  if (revision) reports_.put(status, processes);
  return revision;
}

Result<AgentFleet::Page> AgentFleet::list(const std::string& subtree, const std::string& after, std::size_t limit) {
  auto page = store_.read([&](Reader& reader) {
    Page result;
    result.revision = reader.revision();
    auto statuses = reader.agent_statuses(subtree, after, limit);
    result.items = std::move(statuses.rows);
    if (statuses.more) result.next_after = agent_status_key(result.items.back());
    return result;
  });
  if (!page) return tl::unexpected(Refusal(page.error()));
  return *std::move(page);
}

}  // namespace egress::server
