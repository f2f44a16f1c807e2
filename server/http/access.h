// What a request must look like before anybody asks who sent it: it was meant for this server (Host, against names
// rebound to it), and no page of another site made a browser send it (Origin, Sec-Fetch-Site). Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress::server {

// 127.0.0.0/8, [::1] or localhost, with any port or none.
bool is_loopback_host(std::string_view host_field);

// The values of Host that the server answers to, whatever their port: loopback, the address it listens on, and the
// names it was given (--allowed-host).
class AllowedHosts {
 public:
  AllowedHosts() = default;  // loopback only
  // `listen` counts unless it is 0.0.0.0 or ::, which no request is meant for. kInvalidArgument for a name that is
  // neither a host name nor an address.
  static Expected<AllowedHosts> make(const Address& listen, const std::vector<std::string>& names);

  bool holds(std::string_view host_field) const;
  // "localhost, 127.0.0.0/8, [::1]" and the others, for people.
  std::string describe() const;

 private:
  std::set<std::string, std::less<>> names_;  // lower case
  std::set<Address> addresses_;
};

// Whether a state-changing request with these fields (empty: absent) comes from a page of another origin. `secure`: it
// came over TLS.
bool is_cross_site(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field, bool secure);

// Whether the browser says that a page of this server, or its user directly, sent it: what a request by cookie needs.
bool is_same_origin(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field, bool secure);

// The value of a cookie in the Cookie field; empty if it is not there, or there twice with different values.
std::string_view find_cookie(std::string_view cookie_field, std::string_view name);

}  // namespace egress::server
