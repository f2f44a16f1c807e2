// EGRESS_RESOLVE: answers for lookups, as `curl --resolve` gives them, judged like any other. A session's, fixed with
// it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress {

inline constexpr std::size_t kMaxResolveNames = 1024;

class ResolveOverrides {
 public:
  // "name=addr[,addr];name=addr..."; empty text is none. kInvalidArgument names the entry and what was expected.
  static Expected<ResolveOverrides> parse(std::string_view text);

  // Empty if `name` (canonical) has no override.
  std::span<const Address> find(const std::string& name) const;

 private:
  std::map<std::string, std::vector<Address>> addresses_;
};

}  // namespace egress
