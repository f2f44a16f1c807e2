#include "server/startup/exposure.h"

namespace egress::server {

Expected<void> check_exposure(const ListenAddress& listen, bool has_tls, bool has_admin) {
  if (is_loopback(listen.address)) return {};
  std::string missing;
  if (!has_tls) missing = "without TLS tokens and policy would cross the network in the clear";
  if (!has_admin) {
    missing += (missing.empty() ? "" : ", and ") +
               std::string(
                   "no admin token over / is valid (egress-server token create --role admin --data DIR makes "
                   "one)");
  }
  if (missing.empty()) return {};
  return fail(ErrorCode::kForbidden, "refused, because " + format_address(listen.address) +
                                         " is not a loopback address: " + missing +
                                         "; or listen on 127.0.0.1 or [::1]");
}

}  // namespace egress::server
