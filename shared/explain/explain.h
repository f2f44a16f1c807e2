// Why a destination is reached or refused: the verdict, every layer's vote with the rule that decided it and where that
// rule was written, and what would change a refusal. Runs the evaluator that enforces, on the tables that enforce.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/compile/link_stack.h"
#include "shared/evaluate/evaluate.h"
#include "shared/policy/documents.h"

namespace egress {

struct LayerVote {
  std::string layer;
  Vote vote = Vote::kAbstain;
  std::string rule;      // "unmatched" if no rule decided
  std::string document;  // where the rule was written; empty: through the API
  std::uint32_t line = 0;
};

// One change that would turn one layer's denial, or grant what no layer grants. `request_*` is the API call that makes
// it where one call can; empty where a document has to be edited.
struct Fix {
  std::string layer;
  std::string summary;
  std::string request_method;
  std::string request_path;
  std::string request_body;  // JSON
};

struct Explanation {
  Decision decision;
  std::string layer;  // the deciding layer, or "default"
  std::string rule;
  std::vector<LayerVote> votes;  // one a layer, in stack order
  std::vector<Fix> fixes;        // empty if allowed
  std::vector<std::string>
      assumes;  // what the answer takes for granted: "no address given: rules with CIDRs do not match"
};

struct ExplainQuestion {
  std::string name;                // canonical; empty: nameless
  std::optional<Address> address;  // nullopt: none known
  std::uint16_t port = 0;
  Transport transport = Transport::kTcp;
  UnixMillis now_ms = 0;
};

// `stack` must hold a policy (not link_no_policy). kUnavailable if the name cannot be judged. O(rules that match).
Expected<Explanation> explain(const LinkedStack& stack, const ExplainQuestion& question);

// The destination of a PolicyTest, the CLI or a query.
ExplainQuestion question_of(const Destination& destination, UnixMillis now_ms);

}  // namespace egress
