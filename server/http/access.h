// Who may talk to a server that has no authentication yet: only what was meant for it. Stops web pages that rebind a
// name to loopback (Host) and pages of other sites that post to it (Origin, Sec-Fetch-Site). Pure.
#pragma once

#include <string_view>

namespace egress::server {

// 127.0.0.0/8, [::1] or localhost, with any port or none.
bool is_loopback_host(std::string_view host_field);

// Whether a state-changing request with these fields (empty: absent) comes from a page of another origin.
bool is_cross_site(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field);

}  // namespace egress::server
