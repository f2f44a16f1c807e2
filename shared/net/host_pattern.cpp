#include "shared/net/host_pattern.h"

#include <cassert>

#include "shared/net/host_name.h"

namespace egress {
namespace {

// Whether `name` is one or more labels followed by ".suffix".
bool is_below(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() + 1 && name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.';
}

bool is_one_label_below(std::string_view name, std::string_view suffix) {
  return is_below(name, suffix) && name.find('.') == name.size() - suffix.size() - 1;
}

bool looks_like_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos || text.find('/') != std::string_view::npos) return true;
  return text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Expected<ParsedHostPattern> parse_host_pattern(std::string_view text) {
  ParsedHostPattern parsed;
  if (!text.empty() && looks_like_address(text)) {
    const auto cidr = parse_cidr(text);
    if (!cidr) return tl::unexpected(cidr.error());
    parsed.pattern = {HostPatternKind::kCidr, {}, cidr->cidr};
    parsed.masked = cidr->masked;
    return parsed;
  }
  std::string_view name = text;
  if (name.starts_with("**.")) {
    parsed.pattern.kind = HostPatternKind::kAnyLabels;
    name.remove_prefix(3);
  } else if (name.starts_with("*.")) {
    parsed.pattern.kind = HostPatternKind::kOneLabel;
    name.remove_prefix(2);
  }
  if (name.find('*') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + std::string(text.substr(0, 64)) +
                    "\" is not a host pattern: '*' is allowed only as a leading \"*.\" or \"**.\"");
  }
  auto canonical_name = parse_host_name(name);
  if (!canonical_name) return tl::unexpected(canonical_name.error());
  parsed.pattern.text = *std::move(canonical_name);
  return parsed;
}

std::string format_host_pattern(const HostPattern& pattern) {
  switch (pattern.kind) {
    case HostPatternKind::kOneLabel:
      return "*." + pattern.text;
    case HostPatternKind::kAnyLabels:
      return "**." + pattern.text;
    case HostPatternKind::kCidr:
      return wide_prefix(pattern.cidr) == 128 ? format_address(pattern.cidr.base) : format_cidr(pattern.cidr);
    case HostPatternKind::kExact:
    case HostPatternKind::kRegex:
      break;
  }
  return pattern.text;
}

bool matches(const HostPattern& pattern, std::string_view name) {
  switch (pattern.kind) {
    case HostPatternKind::kExact:
      return name == pattern.text;
    case HostPatternKind::kOneLabel:
      return is_one_label_below(name, pattern.text);
    case HostPatternKind::kAnyLabels:
      return is_below(name, pattern.text);
    case HostPatternKind::kCidr:
      return false;
    case HostPatternKind::kRegex:
      break;
  }
  assert(!"a regex is judged by the name index");
  return false;
}

bool covers(const HostPattern& parent, const HostPattern& child) {
  const auto same_or_below = [](std::string_view s, std::string_view t) { return s == t || is_below(s, t); };
  switch (parent.kind) {
    case HostPatternKind::kExact:
    case HostPatternKind::kRegex:
      return child.kind == parent.kind && child.text == parent.text;
    case HostPatternKind::kOneLabel:
      if (child.kind == HostPatternKind::kExact) return is_one_label_below(child.text, parent.text);
      return child.kind == HostPatternKind::kOneLabel && child.text == parent.text;
    case HostPatternKind::kAnyLabels:
      if (child.kind == HostPatternKind::kExact) return is_below(child.text, parent.text);
      return (child.kind == HostPatternKind::kOneLabel || child.kind == HostPatternKind::kAnyLabels) &&
             same_or_below(child.text, parent.text);
    case HostPatternKind::kCidr:
      return child.kind == HostPatternKind::kCidr && contains(parent.cidr, child.cidr);
  }
  return false;
}

}  // namespace egress
