#include "preload/cli/explain_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "preload/cli/answer_fields.h"
#include "preload/cli/terminal.h"
#include "shared/base/ascii.h"

namespace egress {
namespace {

using nlohmann::json;

// What must be there: throws otherwise.
std::string required_text(const json& object, const char* key) {
  return without_controls(object.at(key).get<std::string>());
}

json child_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : json::object();
}

// May throw nlohmann's exceptions.
ExplainReport read_report(const json& answer) {
  ExplainReport report;
  report.verdict = required_text(answer, "verdict");
  report.deny_reason = text_in(answer, "deny_reason");
  report.layer = text_in(answer, "layer");
  report.rule = text_in(answer, "rule");
  report.revision = number_in(answer, "revision");
  report.mode = text_in(answer, "mode");
  report.namespace_exists = answer.value("namespace_exists", true);
  for (const json& vote : answer.at("votes")) {
    const json source = child_of(vote, "source");
    report.votes.push_back({required_text(vote, "layer"), text_in(vote, "vote"), text_in(vote, "rule"),
                            text_in(source, "document"), number_in(source, "line")});
  }
  for (const json& fix : answer.at("fixes")) {
    const json request = child_of(fix, "request");
    Fix read{.layer = text_in(fix, "layer"),
             .summary = required_text(fix, "summary"),
             .request_method = text_in(request, "method"),
             .request_path = text_in(request, "path"),
             .request_body = {}};
    const auto body = request.find("body");
    if (body != request.end() && !body->is_null())
      read.request_body = body->is_string() ? text_in(request, "body") : body->dump();
    report.fixes.push_back(std::move(read));
  }
  if (const auto assumes = answer.find("assumes"); assumes != answer.end()) {
    for (const json& assumption : *assumes) report.assumes.push_back(without_controls(assumption.get<std::string>()));
  }
  return report;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string render_votes(const ExplainReport& report, const Palette& palette) {
  std::size_t width = 0;
  for (const auto& vote : report.votes) width = std::max(width, vote.layer.size());
  std::string out;
  for (const auto& vote : report.votes) {
    const std::string name = padded(vote.vote, 7);
    out += "  " + (vote.vote == "allow"  ? palette.good(name)
                   : vote.vote == "deny" ? palette.bad(name)
                                         : palette.dim(name));
    out += "  " + padded(vote.layer, width) + "  " + vote.rule;
    if (!vote.document.empty()) {
      out += palette.dim("  (" + vote.document + (vote.line != 0 ? ", line " + std::to_string(vote.line) : "") + ")");
    }
    out += "\n";
  }
  return out;
}

}  // namespace

ExplainReport make_explain_report(const Explanation& explanation, const Policy& policy, bool namespace_exists) {
  ExplainReport report;
  report.verdict = name_of(explanation.decision.verdict);
  report.deny_reason = name_of(explanation.decision.reason);
  report.layer = explanation.layer;
  report.rule = explanation.rule;
  report.revision = policy.revision();
  report.mode = name_of(static_cast<Mode>(policy.table.header().mode));
  report.namespace_exists = namespace_exists;
  for (const LayerVote& vote : explanation.votes) {
    report.votes.push_back({vote.layer, std::string(name_of(vote.vote)), vote.rule, vote.document, vote.line});
  }
  for (const Fix& fix : explanation.fixes) {
    report.fixes.push_back(
        {.layer = fix.layer, .summary = fix.summary, .request_method = {}, .request_path = {}, .request_body = {}});
  }
  report.assumes = explanation.assumes;
  return report;
}

Expected<ExplainReport> parse_explain_report(std::string_view text) {
  try {
    return read_report(json::parse(text));
  } catch (const json::exception&) {
    return fail(ErrorCode::kCorrupt, "the answer is not an explanation: is it an egress-server of this version?");
  }
}

nlohmann::ordered_json explain_report_json(const ExplainReport& report) {
  using nlohmann::ordered_json;
  ordered_json votes = ordered_json::array();
  for (const auto& vote : report.votes) {
    ordered_json source;  // null: there is no place to point at
    if (!vote.document.empty()) source = {{"document", vote.document}, {"line", vote.line}};
    votes.push_back({{"layer", vote.layer}, {"vote", vote.vote}, {"rule", vote.rule}, {"source", source}});
  }
  ordered_json fixes = ordered_json::array();
  for (const Fix& fix : report.fixes) {
    ordered_json request;
    if (!fix.request_method.empty()) {
      request = {{"method", fix.request_method}, {"path", fix.request_path}, {"body", fix.request_body}};
    }
    fixes.push_back({{"layer", fix.layer}, {"summary", fix.summary}, {"request", request}});
  }
  return {{"verdict", report.verdict},
          {"deny_reason", report.deny_reason},
          {"layer", report.layer},
          {"rule", report.rule},
          {"revision", report.revision},
          {"mode", report.mode},
          {"namespace_exists", report.namespace_exists},
          {"votes", votes},
          {"fixes", fixes},
          {"assumes", report.assumes}};
}

std::string render_explain_report(const ExplainReport& report, std::string_view destination,
                                  std::string_view namespace_path, bool coloured) {
  const Palette palette(coloured);
  const bool allowed = report.verdict == "allow";
  std::string out = (allowed ? palette.good(report.verdict) : palette.bad(report.verdict)) + " " +
                    palette.bold(destination) + (report.deny_reason.empty() ? "" : " (" + report.deny_reason + ")") +
                    "\n";
  out += "decided by " + report.layer + ": " + report.rule + "\n";
  out += "namespace " + std::string(namespace_path) + (report.namespace_exists ? "" : " (does not exist)") + ", " +
         report.mode + (report.revision == 0 ? "" : ", revision " + std::to_string(report.revision)) + "\n";
  out += "\nlayers\n" + render_votes(report, palette);
  if (!report.fixes.empty()) out += "\nto allow it\n";
  for (const Fix& fix : report.fixes) {
    out += "  " + fix.layer + ": " + fix.summary + "\n";
    if (fix.request_method.empty()) continue;
    out += palette.dim("    " + fix.request_method + " " + fix.request_path + " " + fix.request_body) + "\n";
  }
  if (!report.assumes.empty()) out += "\nassumes\n";
  for (const std::string& assumption : report.assumes) out += "  " + assumption + "\n";
  return out;
}

}  // namespace egress
