#include "preload/cli/apply_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "preload/cli/answer_fields.h"
#include "shared/base/ascii.h"

namespace egress {
namespace {

using nlohmann::json;

// A place in a text, or how many of something.
int small_number_in(const json& object, const char* key) {
  constexpr std::uint64_t kLargest = 1'000'000'000;
  return static_cast<int>(std::min(number_in(object, key), kLargest));
}

json list_in(const json& object, const char* key) {
  if (!object.is_object()) return json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : json::array();
}

Problem problem_of(const json& object) {
  return {small_number_in(object, "document"), small_number_in(object, "line"),
          small_number_in(object, "column"),   text_in(object, "path"),
          text_in(object, "message"),          text_in(object, "expected")};
}

std::string join(const json& texts) {
  std::string joined;
  for (const json& text : texts) {
    if (text.is_string()) joined += (joined.empty() ? "" : ", ") + without_controls(text.get<std::string>());
  }
  return joined;
}

}  // namespace

std::string render_applied(std::string_view text, const ManifestText& manifest, const std::vector<Problem>& known) {
  const json answer = json::parse(text, nullptr, false);
  std::string out;
  for (const json& document : list_in(answer, "applied")) {
    std::string result = text_in(document, "result");
    result.resize(std::max<std::size_t>(result.size(), 10), ' ');
    const std::string home = text_in(document, "namespace");
    const std::string separator = home.empty() ? "" : home.ends_with('/') ? "" : "/";
    out += result + text_in(document, "kind") + " " + home + separator + text_in(document, "name") + "\n";
  }
  for (const json& warning : list_in(answer, "warnings")) {
    if (warning.is_string()) {
      out += "warning: " + without_controls(warning.get<std::string>()) + "\n";
      continue;
    }
    const Problem problem = problem_of(warning);
    const bool shown = std::any_of(known.begin(), known.end(), [&](const Problem& other) {
      return other.line == problem.line && other.column == problem.column && other.message == problem.message;
    });
    if (!shown) out += render_warnings({problem}, manifest);
  }
  const int restricts = small_number_in(answer, "restricts");
  if (restricts > 0) {
    out += "this newly restricts " + std::to_string(restricts) + (restricts == 1 ? " namespace\n" : " namespaces\n");
  }
  return out;
}

std::string render_apply_refusal(std::string_view text, const ManifestText& manifest) {
  const json answer = json::parse(text, nullptr, false);
  std::string out;
  for (const json& problem : list_in(answer, "problems")) {
    out += render_problem(problem_of(problem), manifest.name, manifest.text);
  }
  for (const json& warning : list_in(answer, "cascade_warnings")) {
    const json domains = list_in(warning, "uncovered_domains");
    out += "  " + text_in(warning, "child") + " would no longer be covered for " + join(domains) + "\n";
  }
  if (!list_in(answer, "cascade_warnings").empty()) out += "  --force applies it and leaves them broken until mended\n";
  for (const json& failure : list_in(answer, "failures")) {
    out += "  " + text_in(failure, "test") + ": " + text_in(failure, "destination") + ": expected " +
           text_in(failure, "expected") + ", got " + text_in(failure, "verdict") + " by " + text_in(failure, "layer") +
           ": " + text_in(failure, "rule") + "\n";
  }
  return out;
}

}  // namespace egress
