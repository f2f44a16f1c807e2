#include "preload/agent/session.h"

#include <limits>
#include <utility>

#include "shared/net/host_name.h"
#include "shared/session/protocol.h"

namespace egress {
namespace {

constexpr std::size_t kMaxCachedJudgements = 65'536;
// Rules expire: a name judged longer ago is judged again.
constexpr std::int64_t kJudgementLifetimeMs = 1000;
// The arena forgets names without bindings when it publishes; this often at the latest, it does.
constexpr std::size_t kMaxBindsPerGeneration = 4 * kMaxBindingsPerSession;

BindingLifetimes lifetimes_of(const Manifest& manifest) {
  return {.min_ms = manifest.binding_min_s * 1000,
          .max_ms = manifest.binding_max_s * 1000,
          .default_ms = manifest.binding_default_s * 1000};
}

}  // namespace

Session::Session(std::uint64_t id, SessionIdentity identity, const Clock& clock, std::unique_ptr<ArenaWriter> arena,
                 std::function<void()> on_queued)
    : id_(id),
      identity_(std::move(identity)),
      clock_(clock),
      arena_(std::move(arena)),
      events_(workload_, std::move(on_queued)) {
  workload_.namespace_path = identity_.key.namespace_path;
  workload_.name = identity_.key.workload;
  workload_.labels = identity_.labels;
  workload_.target = identity_.key.target;
}

Expected<std::unique_ptr<Session>> Session::create(std::uint64_t id, SessionIdentity identity, const Clock& clock,
                                                   std::function<void()> on_queued) {
  auto arena = ArenaWriter::create(id);
  if (!arena) return tl::unexpected(arena.error());
  auto nothing = make_no_policy(NoPolicyCause::kUnavailable, {});
  if (!nothing) return tl::unexpected(nothing.error());
  std::unique_ptr<Session> session(
      new Session(id, std::move(identity), clock, std::move(*arena), std::move(on_queued)));
  if (auto adopted = session->adopt(std::move(*nothing), std::numeric_limits<UnixMillis>::max()); !adopted) {
    return tl::unexpected(adopted.error());
  }
  return session;
}

Expected<void> Session::adopt(PolicyPtr policy, UnixMillis valid_until_ms) {
  if (policy->manifest) arena_->set_lifetimes(lifetimes_of(*policy->manifest));
  if (auto published = arena_->publish(policy->stack, valid_until_ms, clock_.now_ms()); !published) return published;
  if (policy->manifest) workload_ = judged_workload(*policy->manifest, std::move(workload_));
  policy_ = std::move(policy);
  valid_until_ms_ = valid_until_ms;
  binds_since_publish_ = 0;
  judgements_.clear();
  events_.remember(arena_->generation(), policy_);
  return {};
}

const NameJudgement& Session::judge(const std::string& name) {
  const UnixMillis now_ms = clock_.now_ms();
  if (judgements_.size() >= kMaxCachedJudgements || now_ms - judged_at_ms_ >= kJudgementLifetimeMs ||
      now_ms < judged_at_ms_) {
    judgements_.clear();
    judged_at_ms_ = now_ms;
  }
  const auto known = judgements_.find(name);
  if (known != judgements_.end()) return known->second;
  return judgements_.emplace(name, judge_name(policy_->table, policy_->stack.names, name, now_ms)).first->second;
}

void Session::bind_canonical(const std::string& name, std::span<const Address> addresses) {
  if (addresses.empty()) return;
  if (++binds_since_publish_ > kMaxBindsPerGeneration) {
    // The same policy as a new generation. It was published once, so it fits.
    if (auto again = adopt(policy_, valid_until_ms_); !again) contact_.error = again.error().message;
  }
  arena_->bind(name, addresses, -1, policy_->stack.names, clock_.now_ms());
}

LookupAnswer Session::lookup(std::string_view typed, std::int32_t family, const NameFiles& files,
                             const EventSource& source) {
  const auto loopback = static_cast<LoopbackMode>(policy_->table.header().loopback);
  const LookupSources sources{files.hosts, files.resolver, identity_.overrides, loopback == LoopbackMode::kPass};
  LookupPlan plan = plan_lookup(typed, family, sources, [this](const std::string& name) { return judge(name); });
  bind_canonical(plan.name, plan.bindings);
  if (plan.synthetic) {
    const Address stand_in = synthetic_.address_of(plan.name);
    bind_canonical(plan.name, std::span(&stand_in, 1));
    plan.addresses = {stand_in};
  }
  if (plan.record) events_.add_lookup(plan.name, *plan.record, policy_, source, clock_.now_ms());
  return {std::move(plan.queries), std::move(plan.addresses)};
}

bool Session::bind(std::string_view name, std::span<const Address> addresses) {
  const auto canonical_name = parse_host_name(name);
  if (!canonical_name) return false;
  bind_canonical(*canonical_name, addresses);
  return true;
}

void Session::add_event(const RingEvent& event, const EventSource& source) {
  const UnixMillis now_ms = clock_.now_ms();
  if (event.verdict == static_cast<std::uint8_t>(Verdict::kAllow) && event.name_id != 0) {
    arena_->renew({event.address_high, event.address_low}, event.name_id, now_ms);
  }
  events_.add(event, source, *arena_, now_ms);
}

}  // namespace egress
