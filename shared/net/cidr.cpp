#include "shared/net/cidr.h"

#include <charconv>

namespace egress {

Expected<ParsedCidr> parse_cidr(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 64)) + "\" is not a CIDR: " + why);
  };
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  if (address_text.find('%') != std::string_view::npos) return bad("a scope id has no place in a block");
  const auto address = parse_address(address_text);
  if (!address) return bad(address.error().message);
  const bool written_v4 = address_text.find(':') == std::string_view::npos;
  const unsigned written_max = written_v4 ? 32 : 128;
  unsigned written = written_max;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), written);
    if (digits.empty() || code != std::errc{} || end != digits.data() + digits.size() || written > written_max) {
      return bad("the prefix length must be 0.." + std::to_string(written_max));
    }
  }
  ParsedCidr parsed;
  parsed.cidr.ipv4 = is_ipv4(*address);
  if (parsed.cidr.ipv4 && !written_v4) {
    if (written < 96) return bad("an IPv4-mapped block needs a prefix of at least 96");
    written -= 96;
  }
  parsed.cidr.prefix = static_cast<std::uint8_t>(written);
  parsed.cidr.base = mask_address(*address, wide_prefix(parsed.cidr));
  parsed.masked = parsed.cidr.base != *address;
  return parsed;
}

std::string format_cidr(const Cidr& cidr) {
  return format_address(cidr.base) + "/" + std::to_string(static_cast<unsigned>(cidr.prefix));
}

}  // namespace egress
