// What is known of workloads at run time: what their agents last reported, and who asks for a bundle right now. In
// memory, filled from the store's reports at start; what is only true now (who is connected, how many processes run
// under it) starts empty. Bounded like the store's table. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "server/store/records.h"
#include "shared/base/clock.h"

namespace egress::server {

inline constexpr std::size_t kMaxWorkloadReports = 100'000;

struct WorkloadState {
  std::optional<AgentStatus> newest;       // nullopt: no agent ever reported
  std::size_t agents = 0;                  // that reported
  std::optional<std::uint64_t> processes;  // that run under it, over all agents; nullopt: unknown, or not connected
  bool connected = false;                  // somebody asks for its bundle, or waits for the next one
  UnixMillis last_seen_ms = 0;             // 0: never
};

class WorkloadReports {
  struct State;

 public:
  // Somebody who asks for the workload's bundle, for as long as it exists. May outlive the reports.
  class Presence {
   public:
    Presence() = default;
    Presence(Presence&&) noexcept = default;
    Presence& operator=(Presence&& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(key_, other.key_);
      std::swap(clock_, other.clock_);
      return *this;
    }
    ~Presence();

   private:
    friend class WorkloadReports;
    Presence(std::shared_ptr<State> state, std::string key, const Clock& clock)
        : state_(std::move(state)), key_(std::move(key)), clock_(&clock) {}
    std::shared_ptr<State> state_;
    std::string key_;
    const Clock* clock_ = nullptr;
  };

  explicit WorkloadReports(const Clock& clock);

  // `processes`: how many the agent says run under the workload, if it does.
  void put(const AgentStatus& status, std::optional<std::uint64_t> processes);
  Presence enter(const std::string& namespace_path, const std::string& name);
  WorkloadState find(const std::string& namespace_path, const std::string& name) const;

 private:
  const Clock& clock_;
  std::shared_ptr<State> state_;
};

}  // namespace egress::server
