// The answer to "why": the same whether the server gave it or it was worked out here from a policy file, as text for a
// person and as the JSON of GET /api/explain.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "preload/agent/policy.h"
#include "shared/base/error.h"
#include "shared/explain/explain.h"

namespace egress {

struct ExplainReport {
  std::string verdict;  // "allow", "deny", "would_deny"
  std::string deny_reason;
  std::string layer;
  std::string rule;
  std::uint64_t revision = 0;  // 0: of a policy file
  std::string mode;
  bool namespace_exists = true;
  struct Vote {
    std::string layer;
    std::string vote;
    std::string rule;
    std::string document;  // empty: written through the API, or no rule
    std::uint64_t line = 0;
  };
  std::vector<Vote> votes;
  std::vector<Fix> fixes;
  std::vector<std::string> assumes;
};

// Of a policy file: no request changes it, so its fixes have none.
ExplainReport make_explain_report(const Explanation& explanation, const Policy& policy, bool namespace_exists);

// kCorrupt if it is not what GET /api/explain answers.
Expected<ExplainReport> parse_explain_report(std::string_view json);

nlohmann::ordered_json explain_report_json(const ExplainReport& report);

// `destination` and `namespace_path` as asked.
std::string render_explain_report(const ExplainReport& report, std::string_view destination,
                                  std::string_view namespace_path, bool coloured);

}  // namespace egress
