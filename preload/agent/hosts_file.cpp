#include "preload/agent/hosts_file.h"

#include <algorithm>

#include "preload/agent/text_lines.h"
#include "shared/net/host_name.h"

namespace egress {

HostsFile HostsFile::parse(std::string_view text) {
  HostsFile hosts;
  for (std::string_view line : split_lines(text)) {
    const auto words = split_words(line.substr(0, line.find('#')));
    if (words.size() < 2) continue;
    const auto address = parse_address(words[0]);
    if (!address) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto name = parse_host_name(words[i]);
      if (!name) continue;
      auto& known = hosts.addresses_[*name];
      if (std::find(known.begin(), known.end(), *address) == known.end()) known.push_back(*address);
    }
  }
  return hosts;
}

std::span<const Address> HostsFile::find(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) return {};
  return found->second;
}

}  // namespace egress
