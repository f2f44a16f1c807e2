#include "server/http/router.h"

#include <optional>

namespace egress::server {
namespace {

// What stands for "{…}" or "{…}:verb"; nullopt if the segment has another end, or nothing stands there.
std::optional<std::string_view> match_capture(std::string_view expected, std::string_view given) {
  const std::string_view verb = expected.substr(expected.find('}') + 1);
  if (!given.ends_with(verb)) return std::nullopt;
  given.remove_suffix(verb.size());
  if (given.empty() || given.find(':') != std::string_view::npos) return std::nullopt;
  return given;
}

std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path) {
  std::vector<std::string> captures;
  while (true) {
    const auto pattern_slash = pattern.find('/');
    const auto path_slash = path.find('/');
    const std::string_view expected = pattern.substr(0, pattern_slash);
    const std::string_view given = path.substr(0, path_slash);
    if (expected.starts_with('{')) {
      const auto captured = match_capture(expected, given);
      if (!captured) return std::nullopt;
      captures.emplace_back(*captured);
    } else if (expected != given) {
      return std::nullopt;
    }
    const bool pattern_ends = pattern_slash == std::string_view::npos;
    if (pattern_ends != (path_slash == std::string_view::npos)) return std::nullopt;
    if (pattern_ends) return captures;
    pattern.remove_prefix(pattern_slash + 1);
    path.remove_prefix(path_slash + 1);
  }
}

std::string_view names_for(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET, HEAD";
    case Method::kPost:
      return "POST";
    case Method::kDelete:
      return "DELETE";
    case Method::kHead:
    case Method::kOther:
      break;
  }
  return "";
}

}  // namespace

Router::Match Router::find(Method method, std::string_view path) const {
  const Method wanted = method == Method::kHead ? Method::kGet : method;
  Match match;
  for (const Route& route : routes_) {
    auto captures = match_path(route.pattern, path);
    if (!captures) continue;
    match.allow += (match.allow.empty() ? "" : ", ") + std::string(names_for(route.method));
    if (route.method != wanted) continue;
    match.route = &route;
    match.captures = *std::move(captures);
    return match;
  }
  return match;
}

}  // namespace egress::server
