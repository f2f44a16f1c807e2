// Runs the PolicyTests of a file against the file's own documents, by the evaluator that enforces.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/policy/documents.h"

namespace egress {

struct PolicyTestFailure {
  std::string test;
  std::string destination;
  std::string expected;  // "allow" or "deny"
  std::string verdict;
  std::string layer;  // that decided, or "default"
  std::string rule;
  std::string document;  // where the rule was written; empty if none decided
  std::uint32_t line = 0;
};

struct PolicyTestRun {
  std::size_t tests = 0;
  std::size_t destinations = 0;
  std::vector<PolicyTestFailure> failures;
};

// What shadow or discovery would only record counts as denied. kInvalidArgument if there is no PolicyTest.
Expected<PolicyTestRun> run_policy_tests(const std::vector<Document>& documents, UnixMillis now_ms);

}  // namespace egress
