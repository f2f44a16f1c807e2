#include "preload/agent/session_events.h"

#include <algorithm>
#include <utility>

namespace egress {
namespace {

bool has_known_enumerations(const RingEvent& event) {
  return event.transport <= static_cast<std::uint8_t>(Transport::kOther) &&
         event.verdict <= static_cast<std::uint8_t>(Verdict::kWouldDeny) &&
         event.reason <= static_cast<std::uint8_t>(DenyReason::kNoPolicy);
}

}  // namespace

EventTotals& EventTotals::operator+=(const EventTotals& other) {
  recorded += other.recorded;
  dropped += other.dropped;
  uploaded += other.uploaded;
  pending += other.pending;
  local += other.local;
  return *this;
}

SessionEvents::SessionEvents(const Workload& workload, std::function<void()> on_queued)
    : workload_(workload),
      on_queued_(std::move(on_queued)),
      fold_([this](DecisionRecord record) { enqueue(std::move(record)); }) {}

void SessionEvents::remember(std::uint64_t generation, PolicyPtr policy) {
  policies_[generation] = std::move(policy);
  while (policies_.size() > kRememberedGenerations) policies_.erase(policies_.begin());
}

DecisionRecord SessionEvents::make_record(RecordKind kind, const EventSource& source, UnixMillis time_ms) const {
  DecisionRecord record;
  record.kind = kind;
  record.namespace_path = workload_.namespace_path;
  record.workload = workload_.name;
  record.labels = workload_.labels;
  record.pid = source.pid;
  record.exe = source.exe;
  record.first_seen_ms = record.last_seen_ms = time_ms;
  return record;
}

void SessionEvents::cite(DecisionRecord& record, const Policy& policy, std::uint16_t layer, std::uint32_t rule) const {
  if (policy.manifest) {
    record.revision = policy.manifest->revision;
    record.mode = policy.manifest->mode;
    record.default_action = policy.manifest->default_action;
  }
  const auto& layers = policy.stack.layers;
  const bool known_layer = layer == kNoLayer || layer < layers.size();
  const bool known_rule = rule == kNoRule || (layer < layers.size() && rule < layers[layer].rule_count());
  record.layer = known_layer ? std::string(policy.stack.layer_id(layer)) : kUnknownSource;
  record.rule = known_layer && known_rule ? std::string(policy.stack.rule_name(layer, rule)) : kUnknownSource;
}

void SessionEvents::add(const RingEvent& event, const EventSource& source, const ArenaWriter& arena,
                        UnixMillis now_ms) {
  if (!has_known_enumerations(event)) {
    add_dropped(1, now_ms);
    return;
  }
  const UnixMillis earliest_ms = std::min(source.since_ms, now_ms);
  DecisionRecord record =
      make_record(RecordKind::kDial, source, std::clamp<UnixMillis>(event.time_ns / 1'000'000, earliest_ms, now_ms));
  if (event.pid != 0) record.pid = event.pid;
  record.verdict = static_cast<Verdict>(event.verdict);
  record.deny_reason = record.verdict == Verdict::kAllow ? DenyReason::kNone : static_cast<DenyReason>(event.reason);
  const auto policy = policies_.find(event.generation);
  if (policy != policies_.end()) {
    cite(record, *policy->second, event.layer, event.rule);
  } else {
    record.layer = record.rule = kUnknownSource;
  }
  const Address address{event.address_high, event.address_low};
  record.address = format_address(address);
  record.port = event.port;
  record.transport = static_cast<Transport>(event.transport);
  if (event.name_id != 0) {
    record.name = arena.name_of(event.name_id);
    record.names = arena.names_of(address, now_ms);
  }
  recorded_ += 1;
  fold_.add(std::move(record), now_ms);
}

void SessionEvents::add_lookup(const std::string& name, const NameJudgement& judgement, const PolicyPtr& policy,
                               const EventSource& source, UnixMillis now_ms) {
  DecisionRecord record = make_record(RecordKind::kLookup, source, now_ms);
  record.verdict = judgement.verdict;
  record.deny_reason = judgement.reason;
  record.name = name;
  record.names = {name};
  record.transport = Transport::kOther;
  cite(record, *policy, judgement.layer, judgement.rule);
  recorded_ += 1;
  fold_.add(std::move(record), now_ms);
}

void SessionEvents::add_dropped(std::uint64_t count, UnixMillis now_ms) {
  if (count == 0) return;
  ring_dropped_ += count;
  unreported_ += count;
  report_drops(now_ms);
}

void SessionEvents::enqueue(DecisionRecord record) {
  if (on_queued_ && queue_.push(std::move(record))) on_queued_();
}

void SessionEvents::report_drops(UnixMillis now_ms) {
  unreported_ += queue_.dropped() - queue_dropped_seen_;
  queue_dropped_seen_ = queue_.dropped();
  if (unreported_ == 0 || !queue_.has_room()) return;
  DecisionRecord record = make_record(RecordKind::kDropped, EventSource{}, now_ms);
  record.id = make_record_id();
  record.transport = Transport::kOther;
  record.count = std::exchange(unreported_, 0);
  enqueue(std::move(record));
}

void SessionEvents::tick(UnixMillis now_ms) {
  fold_.close_windows(now_ms);
  report_drops(now_ms);
}

void SessionEvents::flush(UnixMillis now_ms) {
  fold_.flush();
  report_drops(now_ms);
}

EventTotals SessionEvents::totals() const {
  EventTotals totals;
  totals.recorded = recorded_ - queue_.dropped();
  totals.dropped = ring_dropped_ + queue_.dropped();
  totals.uploaded = queue_.uploaded();
  if (on_queued_) {
    totals.pending = queue_.pending() + fold_.pending();
  } else {
    totals.local = recorded_;
  }
  return totals;
}

}  // namespace egress
