// External interface: render_problem() of problem.h.
#include "shared/manifest/problem.h"

namespace egress {
namespace {

constexpr std::size_t kMaxQuotedBytes = 160;

std::string_view line_of(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string render_problem(const Problem& problem, std::string_view file_name, std::string_view text) {
  std::string result =
      std::string(file_name) + ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": ";
  if (!problem.path.empty()) result += problem.path + ": ";
  result += problem.message;
  if (!problem.expected.empty()) result += " (expected " + problem.expected + ")";
  result += "\n";
  const std::string_view line = line_of(text, problem.line).substr(0, kMaxQuotedBytes);
  const auto column = static_cast<std::size_t>(problem.column > 0 ? problem.column - 1 : 0);
  if (problem.line == 0 || column > line.size()) return result;
  std::string padding;
  for (const char c : line.substr(0, column)) padding += c == '\t' ? '\t' : ' ';
  result += "  " + std::string(line) + "\n  " + padding + "^\n";
  return result;
}

}  // namespace egress
