// One session: who it is, the arena its processes map, the policy in force, its bindings and its events. No sockets, no
// timers, no disk: PolicySync feeds it policies, the request handler and the ring drain feed it what processes do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "preload/agent/lookup.h"
#include "preload/agent/policy.h"
#include "preload/agent/session_events.h"
#include "preload/agent/session_identity.h"
#include "preload/agent/synthetic_addresses.h"
#include "shared/base/clock.h"
#include "shared/session/arena_writer.h"

namespace egress {

// The two files of the machine that lookups depend on.
struct NameFiles {
  const HostsFile& hosts;
  const ResolverConfig& resolver;
};

// What is known of the session's server; written by PolicySync, shown by status and by hellos that get no policy.
struct ContactState {
  bool connected = false;
  UnixMillis last_contact_ms = 0;  // 0: never
  std::string error;               // the last thing that went wrong; empty while all is well
  bool stale = false;
};

struct LookupAnswer {
  std::vector<std::string> queries;
  std::vector<Address> addresses;
};

class Session {
 public:
  // On the agent's main thread (ArenaWriter). Publishes a generation that denies everything, so that a process that
  // maps the arena sees the first policy as soon as it arrives. `on_queued`: there are records to upload; empty: nobody
  // takes them.
  static Expected<std::unique_ptr<Session>> create(std::uint64_t id, SessionIdentity identity, const Clock& clock,
                                                   std::function<void()> on_queued);

  std::uint64_t id() const { return id_; }
  const SessionIdentity& identity() const { return identity_; }
  // As it claims until a manifest vouches for who it is; its records say the same. With a token and no claim, the
  // namespace is empty until then.
  const Workload& workload() const { return workload_; }
  const ArenaWriter& arena() const { return *arena_; }
  SessionEvents& events() { return events_; }
  const SessionEvents& events() const { return events_; }
  ContactState& contact() { return contact_; }
  const ContactState& contact() const { return contact_; }

  // Never null.
  const PolicyPtr& policy() const { return policy_; }
  bool has_policy() const { return policy_->manifest.has_value(); }

  // Publishes. Whoever calls it has drained the session's rings. On an error the policy in force stays.
  Expected<void> adopt(PolicyPtr policy, UnixMillis valid_until_ms);
  void set_valid_until(UnixMillis valid_until_ms) { arena_->set_valid_until(valid_until_ms); }

  LookupAnswer lookup(std::string_view typed, std::int32_t family, const NameFiles& files, const EventSource& source);

  // A process resolved `name` to these; false if it is no host name. Denied names are bound too: they open nothing, and
  // the connect that follows is judged and recorded by its name. So does a name whose policy changed since its lookup.
  bool bind(std::string_view name, std::span<const Address> addresses);

  void add_event(const RingEvent& event, const EventSource& source);

 private:
  Session(std::uint64_t id, SessionIdentity identity, const Clock& clock, std::unique_ptr<ArenaWriter> arena,
          std::function<void()> on_queued);
  const NameJudgement& judge(const std::string& name);
  void bind_canonical(const std::string& name, std::span<const Address> addresses);

  std::uint64_t id_;
  SessionIdentity identity_;
  Workload workload_;
  const Clock& clock_;
  std::unique_ptr<ArenaWriter> arena_;
  SessionEvents events_;
  ContactState contact_;
  PolicyPtr policy_;
  UnixMillis valid_until_ms_ = 0;
  std::size_t binds_since_publish_ = 0;
  std::unordered_map<std::string, NameJudgement> judgements_;  // of the policy in force
  UnixMillis judged_at_ms_ = 0;
  SyntheticAddresses synthetic_;
};

}  // namespace egress
