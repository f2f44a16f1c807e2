#include "server/service/manifest_refusals.h"

#include <nlohmann/json.hpp>

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

tl::unexpected<Refusal> with_fields(ErrorCode kind, std::string code, std::string message, Json fields) {
  Refusal refusal(kind, std::move(code), std::move(message));
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

}  // namespace

Json render_problems(const std::vector<Problem>& problems) {
  Json list = Json::array();
  for (const Problem& problem : problems) {
    Json item = Json::object();
    item["document"] = problem.document;
    item["line"] = problem.line;
    item["column"] = problem.column;
    item["path"] = problem.path;
    item["message"] = problem.message;
    item["expected"] = problem.expected;
    list.push_back(std::move(item));
  }
  return list;
}

tl::unexpected<Refusal> refuse_manifest(const std::vector<Problem>& problems) {
  const Problem& first = problems.front();
  std::string message = std::to_string(problems.size()) + (problems.size() == 1 ? " problem" : " problems, first");
  if (first.line != 0) message += ": line " + std::to_string(first.line);
  if (!first.path.empty()) message += ": " + first.path;
  message += ": " + first.message;
  if (!first.expected.empty()) message += " (expected " + first.expected + ")";
  Json fields = Json::object();
  fields["problems"] = render_problems(problems);
  return with_fields(ErrorCode::kInvalidArgument, "invalid_manifest", std::move(message), std::move(fields));
}

tl::unexpected<Refusal> refuse_failed_tests(const std::vector<TestFailure>& failures) {
  Json list = Json::array();
  for (const TestFailure& failure : failures) {
    Json item = Json::object();
    item["test"] = failure.test;
    item["destination"] = failure.destination;
    item["expected"] = name_of(failure.expected);
    item["verdict"] = name_of(failure.verdict);
    item["layer"] = failure.layer;
    item["rule"] = failure.rule;
    list.push_back(std::move(item));
  }
  const TestFailure& first = failures.front();
  Json fields = Json::object();
  fields["failures"] = std::move(list);
  return with_fields(ErrorCode::kConflict, "policy_tests_failed",
                     first.test + " expects " + first.destination + " to get " + std::string(name_of(first.expected)) +
                         ", it would get " + std::string(name_of(first.verdict)) + " by " + first.layer + " (" +
                         first.rule + "): change the policy or the test, or pass force=true",
                     std::move(fields));
}

tl::unexpected<Refusal> refuse_document_in_use(const std::string& document, const std::vector<std::string>& referrers) {
  Json fields = Json::object();
  fields["document"] = document;
  fields["referrers"] = referrers;
  return with_fields(ErrorCode::kConflict, "document_in_use",
                     document + " is referred to by " + referrers.front() + ": remove that first", std::move(fields));
}

tl::unexpected<Refusal> refuse_unknown_document(const std::string& document) {
  return refuse(ErrorCode::kNotFound, "document_not_found", "there is no " + document);
}

}  // namespace egress::server
