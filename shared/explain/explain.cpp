#include "shared/explain/explain.h"

#include <nlohmann/json.hpp>

#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kNamespaceLayer = "namespace:";

std::string target_of(const ExplainQuestion& question) {
  if (!question.name.empty()) return question.name;
  return question.address ? format_address(*question.address) : std::string("the destination");
}

std::string place_of(const LayerVote& vote) {
  if (vote.document.empty()) return vote.layer;
  return vote.document + (vote.line == 0 ? "" : ", line " + std::to_string(vote.line));
}

// "block evil.example" of a domain list -> "evil.example".
std::string_view domain_of(const std::string& rule) {
  const std::size_t space = rule.find(' ');
  return space == std::string::npos ? std::string_view(rule) : std::string_view(rule).substr(space + 1);
}

Fix grant(const ExplainQuestion& question) {
  Fix fix;
  fix.layer = "egress";
  fix.summary = "allow " + target_of(question) + " in the global table";
  fix.request_method = "POST";
  fix.request_path = "/api/policy/egress/allow";
  fix.request_body = ordered_json{{"domain", target_of(question)}, {"reason", "why it is needed"}}.dump();
  return fix;
}

Fix fix_global_table(const LayerVote& vote, DenyReason reason) {
  Fix fix;
  fix.layer = vote.layer;
  if (reason == DenyReason::kAuthRequired) {
    fix.summary = "register the workload and give it its token: \"" + vote.rule + "\" asks for an authenticated one";
  } else if (!vote.document.empty()) {
    fix.summary = "remove " + vote.document;
  } else {
    fix.summary = "remove the rule \"" + vote.rule + "\" from the global table";
    fix.request_method = "DELETE";
    fix.request_path = "/api/policy/egress/block?domain=" + std::string(domain_of(vote.rule));
  }
  return fix;
}

Fix fix_namespace(const LayerVote& vote, const ExplainQuestion& question) {
  const std::string path = vote.layer.substr(kNamespaceLayer.size());
  Fix fix;
  fix.layer = vote.layer;
  fix.summary = vote.rule == "unmatched"
                    ? "add " + target_of(question) + " to allowed_domains of namespace " + path
                    : "remove " + std::string(domain_of(vote.rule)) + " from blocked_domains of namespace " + path;
  return fix;
}

Fix fix_of(const LayerVote& vote, DenyReason reason, const ExplainQuestion& question) {
  if (vote.layer == "egress") return fix_global_table(vote, reason);
  if (vote.layer.starts_with(kNamespaceLayer)) return fix_namespace(vote, question);
  Fix fix;
  fix.layer = vote.layer;
  fix.summary = vote.rule == "unmatched" ? "add a rule for " + target_of(question) + " to " + vote.layer
                                         : "change or remove " + vote.rule + " (" + place_of(vote) + ")";
  return fix;
}

LayerVote describe(const LinkedStack& stack, std::uint16_t layer, const LayerVerdict& verdict) {
  LayerVote vote;
  vote.layer = stack.layer_id(layer);
  vote.vote = verdict.vote;
  vote.rule = stack.rule_name(layer, verdict.rule);
  const RuleSource source = stack.layers[layer].rule_source(verdict.rule);
  vote.document = source.document;
  vote.line = source.line;
  return vote;
}

void add_fixes(const ExplainQuestion& question, const std::vector<DenyReason>& reasons,
               std::span<const LayerVotes> layers, Explanation& result) {
  if (result.decision.verdict == Verdict::kAllow) return;
  if (result.decision.reason == DenyReason::kControlPlane) return;  // nothing opens it
  bool granted = false;
  for (std::size_t i = 0; i < result.votes.size(); ++i) {
    if (result.votes[i].vote == Vote::kDeny) result.fixes.push_back(fix_of(result.votes[i], reasons[i], question));
    // A layer that comes to list the destination allows it by that, and so does an open one that stops blocking it.
    const bool is_open = i < layers.size() && static_cast<Vote>(layers[i].unmatched) == Vote::kAllow;
    const bool will_allow = result.votes[i].vote == Vote::kDeny && (is_open || result.votes[i].rule == "unmatched");
    granted = granted || will_allow || result.votes[i].vote == Vote::kAllow;
  }
  if (!granted) result.fixes.push_back(grant(question));
}

}  // namespace

Expected<Explanation> explain(const LinkedStack& stack, const ExplainQuestion& question) {
  ConnectTable table;
  if (!table.open(stack.connect_table.data(), stack.connect_table.size())) {
    return fail(ErrorCode::kInternal, "the linked policy is not readable");
  }
  ConnectionFacts facts;
  facts.address = question.address ? canonical(*question.address) : Address{};
  facts.port = question.port;
  facts.transport = question.transport;
  facts.now_ms = question.now_ms;
  facts.has_address = question.address.has_value();

  Candidate candidate;
  std::vector<RuleRef> label;
  const bool named = !question.name.empty();
  if (named) {
    auto rules = stack.names.find(question.name);
    if (!rules) return tl::unexpected(rules.error());
    label = *std::move(rules);
    candidate.label = label;
  }

  Explanation result;
  result.decision =
      evaluate(table, facts, named ? std::span<const Candidate>(&candidate, 1) : std::span<const Candidate>());
  result.layer = stack.layer_id(result.decision.layer);
  result.rule = stack.rule_name(result.decision.layer, result.decision.rule);
  std::vector<DenyReason> reasons;
  for (std::uint16_t i = 0; i < stack.layers.size(); ++i) {
    const LayerVerdict verdict = evaluate_layer(table, facts, named ? &candidate : nullptr, i);
    result.votes.push_back(describe(stack, i, verdict));
    reasons.push_back(verdict.reason);
  }
  add_fixes(question, reasons, table.layers(), result);
  if (!question.address) result.assumes.push_back("no address given: rules with CIDRs do not match");
  if (!named) result.assumes.push_back("no name given: rules with host names do not match");
  return result;
}

ExplainQuestion question_of(const Destination& destination, UnixMillis now_ms) {
  return {destination.name, destination.address, destination.port, destination.transport, now_ms};
}

}  // namespace egress
