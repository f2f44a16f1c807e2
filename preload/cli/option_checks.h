// What several commands' options must look like, as CLI11 asks: empty text, or why the value is refused.
#pragma once

#include <string>

#include "preload/agent/server_url.h"
#include "shared/net/address.h"
#include "shared/policy/namespace_path.h"
#include "shared/policy/workload.h"

namespace egress {

template <typename Parsed>
std::string refusal_of(const Expected<Parsed>& parsed) {
  return parsed ? std::string() : parsed.error().message;
}

inline std::string check_namespace(const std::string& text) { return refusal_of(parse_namespace_path(text)); }
inline std::string check_server(const std::string& text) { return refusal_of(parse_server_url(text)); }
inline std::string check_labels(const std::string& text) { return refusal_of(parse_labels(text)); }
inline std::string check_address(const std::string& text) { return refusal_of(parse_address(text)); }

}  // namespace egress
