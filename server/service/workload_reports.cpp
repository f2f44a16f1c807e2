#include "server/service/workload_reports.h"

#include <algorithm>
#include <unordered_map>

namespace egress::server {
namespace {

struct Report {
  AgentStatus status;
  std::optional<std::uint64_t> processes;
};

struct Entry {
  std::map<std::string, Report> by_agent;
  std::size_t asking = 0;
  UnixMillis last_asked_ms = 0;
};

// No part holds a line break.
std::string key_of(const std::string& namespace_path, const std::string& name) { return namespace_path + "\n" + name; }

}  // namespace

struct WorkloadReports::State {
  mutable std::mutex mutex;
  std::unordered_map<std::string, Entry> entries;
  std::size_t reports = 0;
};

WorkloadReports::WorkloadReports(const Clock& clock) : clock_(clock), state_(std::make_shared<State>()) {}

WorkloadReports::Presence::~Presence() {
  if (state_ == nullptr) return;
  const std::lock_guard lock(state_->mutex);
  Entry& entry = state_->entries[key_];
  --entry.asking;
  entry.last_asked_ms = std::max(entry.last_asked_ms, clock_->now_ms());
}

void WorkloadReports::put(const AgentStatus& status, std::optional<std::uint64_t> processes) {
  const std::lock_guard lock(state_->mutex);
  const std::string key = key_of(status.namespace_path, status.workload);
  const auto entry = state_->entries.find(key);
  const bool known = entry != state_->entries.end() && entry->second.by_agent.contains(status.agent_id);
  // Agents that came first are kept: whoever fills the table with made-up ones does not push out the real.
  if (!known && state_->reports >= kMaxWorkloadReports) return;
  if (!known) ++state_->reports;
  state_->entries[key].by_agent[status.agent_id] = {status, processes};
}

WorkloadReports::Presence WorkloadReports::enter(const std::string& namespace_path, const std::string& name) {
  std::string key = key_of(namespace_path, name);
  const std::lock_guard lock(state_->mutex);
  Entry& entry = state_->entries[key];
  ++entry.asking;
  entry.last_asked_ms = std::max(entry.last_asked_ms, clock_.now_ms());
  return Presence(state_, std::move(key), clock_);
}

WorkloadState WorkloadReports::find(const std::string& namespace_path, const std::string& name) const {
  const std::lock_guard lock(state_->mutex);
  WorkloadState result;
  const auto found = state_->entries.find(key_of(namespace_path, name));
  if (found == state_->entries.end()) return result;
  const Entry& entry = found->second;
  result.connected = entry.asking > 0;
  result.agents = entry.by_agent.size();
  result.last_seen_ms = result.connected ? clock_.now_ms() : entry.last_asked_ms;
  for (const auto& [agent, report] : entry.by_agent) {
    result.last_seen_ms = std::max(result.last_seen_ms, report.status.reported_at_ms);
    if (!result.newest || result.newest->reported_at_ms < report.status.reported_at_ms) result.newest = report.status;
    if (result.connected && report.processes) {
      result.processes = result.processes.value_or(0) + *report.processes;
    }
  }
  return result;
}

}  // namespace egress::server
