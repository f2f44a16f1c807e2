#include "server/service/text_diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace egress::server {
namespace {

using Lines = std::vector<std::string_view>;

constexpr std::size_t kContext = 3;
constexpr std::size_t kMaxCells = std::size_t{4} << 20;  // of the table of common subsequences

Lines split(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

struct Edit {
  char mark;  // ' ', '-', '+'
  std::string_view line;
};

void replace(const Lines& before, std::size_t b, std::size_t b_end, const Lines& after, std::size_t a,
             std::size_t a_end, std::vector<Edit>& edits) {
  for (; b < b_end; ++b) edits.push_back({'-', before[b]});
  for (; a < a_end; ++a) edits.push_back({'+', after[a]});
}

// The longest common subsequence of both middles, by the textbook's table.
void compare(const Lines& before, std::size_t b, std::size_t b_end, const Lines& after, std::size_t a,
             std::size_t a_end, std::vector<Edit>& edits) {
  const std::size_t width = a_end - a + 1;
  if ((b_end - b + 1) * width > kMaxCells) return replace(before, b, b_end, after, a, a_end, edits);
  std::vector<std::uint32_t> common((b_end - b + 1) * width, 0);
  const auto cell = [&, top = b, left = a](std::size_t i, std::size_t j) -> std::uint32_t& {
    return common[(i - top) * width + (j - left)];
  };
  for (std::size_t i = b_end; i-- > b;) {
    for (std::size_t j = a_end; j-- > a;) {
      cell(i, j) = before[i] == after[j] ? cell(i + 1, j + 1) + 1 : std::max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  while (b < b_end && a < a_end) {
    if (before[b] == after[a]) {
      edits.push_back({' ', before[b]});
      ++b, ++a;
    } else if (cell(b + 1, a) >= cell(b, a + 1)) {
      edits.push_back({'-', before[b++]});
    } else {
      edits.push_back({'+', after[a++]});
    }
  }
  replace(before, b, b_end, after, a, a_end, edits);
}

std::vector<Edit> edits_between(const Lines& before, const Lines& after) {
  const std::size_t shorter = std::min(before.size(), after.size());
  std::size_t head = 0;
  while (head < shorter && before[head] == after[head]) ++head;
  std::size_t tail = 0;
  while (tail < shorter - head && before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) ++tail;
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < head; ++i) edits.push_back({' ', before[i]});
  compare(before, head, before.size() - tail, after, head, after.size() - tail, edits);
  for (std::size_t i = before.size() - tail; i < before.size(); ++i) edits.push_back({' ', before[i]});
  return edits;
}

// "7,3": where a side of a hunk starts and how long it is; by convention an empty side names the line before it.
std::string range(std::size_t lines_before, std::size_t count) {
  const std::size_t start = count == 0 ? lines_before : lines_before + 1;
  return std::to_string(start) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::string unified_diff(const std::string& from, const std::string& to, std::string_view before,
                         std::string_view after) {
  const Lines old_lines = split(before);
  const Lines new_lines = split(after);
  const std::vector<Edit> edits = edits_between(old_lines, new_lines);
  std::string text;
  std::size_t old_at = 0;  // lines of each side before edits[i]
  std::size_t new_at = 0;
  for (std::size_t i = 0; i < edits.size();) {
    // The next change; its hunk goes on while changes are no more than two contexts apart.
    std::size_t change = i;
    while (change < edits.size() && edits[change].mark == ' ') ++change;
    if (change == edits.size()) break;
    const std::size_t start = std::max(i, change - std::min(change, kContext));
    std::size_t last = change;
    for (std::size_t j = change; j < edits.size() && j <= last + 2 * kContext + 1; ++j) {
      if (edits[j].mark != ' ') last = j;
    }
    const std::size_t end = std::min(edits.size(), last + 1 + kContext);
    old_at += start - i;
    new_at += start - i;
    std::string body;
    std::size_t old_count = 0;
    std::size_t new_count = 0;
    for (std::size_t j = start; j < end; ++j) {
      body += edits[j].mark + std::string(edits[j].line) + "\n";
      old_count += edits[j].mark != '+';
      new_count += edits[j].mark != '-';
    }
    text += "@@ -" + range(old_at, old_count) + " +" + range(new_at, new_count) + " @@\n" + body;
    old_at += old_count;
    new_at += new_count;
    i = end;
  }
  if (text.empty()) return text;
  return "--- " + from + "\n+++ " + to + "\n" + text;
}

}  // namespace egress::server
