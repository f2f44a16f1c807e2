// /etc/hosts as hosts(5) has it: what the "files" source of the name service would answer. Names are canonical; a name
// that is not one (parse_host_name) is left out, an address that does not parse ends its line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/net/address.h"

namespace egress {

class HostsFile {
 public:
  static HostsFile parse(std::string_view text);

  // Every address of `name` (canonical), in the file's order; empty if it is not there.
  std::span<const Address> find(const std::string& name) const;

 private:
  std::unordered_map<std::string, std::vector<Address>> addresses_;
};

}  // namespace egress
