#include "preload/agent/lookup.h"

#include <arpa/inet.h>

#include <algorithm>

#include "shared/evaluate/evaluate.h"
#include "shared/net/host_name.h"
#include "shared/session/protocol.h"

namespace egress {
namespace {

// TEST-NET-3 (RFC 5737): a destination no policy has a reason to name.
constexpr ConnectionFacts kOrdinaryDestination = {
    .address = make_ipv4(0xcb007101), .port = 443, .transport = Transport::kTcp, .now_ms = 0};

bool is_localhost(std::string_view name) { return name == "localhost" || name.ends_with(".localhost"); }

// inet_pton's forms and inet_aton's short, octal and hex spellings, all of which getaddrinfo takes as addresses.
std::optional<Address> find_literal(std::string_view typed) {
  if (auto address = parse_address(typed)) return *address;
  if (typed.empty() || typed.find_first_not_of("0123456789abcdefABCDEFxX.") != std::string_view::npos) {
    return std::nullopt;
  }
  in_addr parsed{};
  if (::inet_aton(std::string(typed).c_str(), &parsed) == 0) return std::nullopt;
  return make_ipv4(ntohl(parsed.s_addr));
}

std::vector<Address> select_family(std::span<const Address> addresses, std::int32_t family) {
  std::vector<Address> selected;
  for (const Address address : addresses) {
    if (family == AF_UNSPEC || is_ipv4(address) == (family == AF_INET)) selected.push_back(address);
  }
  if (selected.empty() && family == AF_INET6) selected.assign(addresses.begin(), addresses.end());
  if (selected.size() > kMaxLookupAddresses) selected.resize(kMaxLookupAddresses);
  return selected;
}

void answer(LookupPlan& plan, std::span<const Address> addresses, std::int32_t family) {
  plan.addresses = select_family(addresses, family);
  plan.bindings.assign(addresses.begin(), addresses.end());
}

}  // namespace

NameJudgement judge_name(const ConnectTable& table, const NameIndex& names, const std::string& name,
                         UnixMillis now_ms) {
  NameJudgement judgement;
  if (table.header().no_policy != 0) {
    judgement.reason = DenyReason::kNoPolicy;
    return judgement;
  }
  const auto label = names.find(name);
  if (!label) return judgement;
  const Candidate candidate{.label = *label, .name_id = 1, .labelled = true};
  ConnectionFacts facts = kOrdinaryDestination;
  facts.now_ms = now_ms;
  const Decision ordinary = evaluate(table, facts, std::span(&candidate, 1));
  const auto lookups = static_cast<LookupMode>(table.header().lookups);
  const bool listed = lookups != LookupMode::kListed || !label->empty();
  if (listed && is_reachable(table, *label, now_ms)) {
    judgement.verdict = Verdict::kAllow;
    judgement.reason = DenyReason::kNone;
    return judgement;
  }
  judgement.layer = ordinary.layer;
  judgement.rule = ordinary.rule;
  // What denies in every mode (a quarantine) refuses the lookup in every mode too.
  const bool enforced =
      static_cast<Mode>(table.header().mode) == Mode::kEnforcement || ordinary.verdict == Verdict::kDeny;
  judgement.verdict = enforced ? Verdict::kDeny : Verdict::kWouldDeny;
  return judgement;
}

LookupPlan plan_lookup(std::string_view typed, std::int32_t family, const LookupSources& sources,
                       const std::function<NameJudgement(const std::string&)>& judge) {
  LookupPlan plan;
  if (const auto literal = find_literal(typed)) {
    plan.addresses = select_family(std::span(&*literal, 1), family);
    return plan;
  }
  auto name = parse_host_name(typed);
  if (!name) return plan;
  plan.name = std::move(*name);
  const bool absolute = typed.ends_with('.');

  std::span<const Address> known = sources.overrides.find(plan.name);
  const bool overridden = !known.empty();
  if (!overridden) known = sources.hosts.find(plan.name);
  constexpr Address kLocalhost[] = {make_ipv4(0x7f000001), {0, 1}};
  if (known.empty() && is_localhost(plan.name)) known = kLocalhost;

  if (!known.empty()) {
    const bool local = !overridden && std::all_of(known.begin(), known.end(), [](Address a) { return is_loopback(a); });
    if (local && sources.loopback_passes) {
      answer(plan, known, family);
      return plan;
    }
    const NameJudgement judgement = judge(plan.name);
    if (judgement.verdict != Verdict::kAllow) plan.record = judgement;
    plan.synthetic = judgement.verdict == Verdict::kDeny;
    if (!plan.synthetic) answer(plan, known, family);
    return plan;
  }

  NameJudgement typed_judgement;
  for (std::string& expanded : expand_name(plan.name, absolute, sources.resolver)) {
    const NameJudgement judgement = judge(expanded);
    if (expanded == plan.name) typed_judgement = judgement;
    if (judgement.verdict != Verdict::kDeny) plan.queries.push_back(std::move(expanded));
  }
  plan.synthetic = typed_judgement.verdict == Verdict::kDeny;
  // A short name whose expansion may be asked is no refusal: the expansion is what the program means.
  if (typed_judgement.verdict == Verdict::kWouldDeny || plan.queries.empty()) plan.record = typed_judgement;
  return plan;
}

}  // namespace egress
