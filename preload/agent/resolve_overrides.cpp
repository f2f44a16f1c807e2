#include "preload/agent/resolve_overrides.h"

#include "preload/agent/text_lines.h"
#include "shared/net/host_name.h"
#include "shared/session/protocol.h"

namespace egress {

Expected<ResolveOverrides> ResolveOverrides::parse(std::string_view text) {
  ResolveOverrides overrides;
  for (std::string_view entry : split_on(text, "; \t")) {
    const auto refuse = [&](const std::string& why) {
      return fail(ErrorCode::kInvalidArgument, "resolve entry \"" + std::string(entry) + "\": " + why);
    };
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) return refuse("expected name=address[,address]");
    const auto name = parse_host_name(entry.substr(0, equals));
    if (!name) return refuse(name.error().message);
    auto& addresses = overrides.addresses_[*name];
    for (std::string_view part : split_on(entry.substr(equals + 1), ",")) {
      const auto address = parse_address(part);
      if (!address) return refuse(address.error().message);
      addresses.push_back(*address);
    }
    if (addresses.empty()) return refuse("expected at least one address");
    if (addresses.size() > kMaxLookupAddresses) return refuse("more than 256 addresses");
    if (overrides.addresses_.size() > kMaxResolveNames) return refuse("more than 1024 names");
  }
  return overrides;
}

std::span<const Address> ResolveOverrides::find(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) return {};
  return found->second;
}

}  // namespace egress
