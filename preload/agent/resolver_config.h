// What resolv.conf(5) says of name expansion: the search list and ndots. Not its name servers: lookups stay the C
// library's. LOCALDOMAIN and RES_OPTIONS belong to the workload's environment and are not seen here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace egress {

struct ResolverConfig {
  std::vector<std::string> search;  // canonical
  unsigned ndots = 1;

  // Later "search" and "domain" lines win over earlier ones, as in glibc. Without any, the search list is empty.
  static ResolverConfig parse(std::string_view text);
};

// The absolute names that a lookup of `name` (canonical) asks for, in glibc's order (res_search): with at least ndots
// dots the name itself comes first, else last. `absolute`: it was typed with a trailing dot, so only itself. At most
// kMaxLookupQueries; the name itself is always among them. Expansions that are not host names are left out.
std::vector<std::string> expand_name(const std::string& name, bool absolute, const ResolverConfig& config);

}  // namespace egress
