// Where a server may listen at all (control-plane.md, "Access"). Pure.
#pragma once

#include "server/startup/listen_address.h"
#include "shared/base/error.h"

namespace egress::server {

// Loopback always. Elsewhere only with TLS and somebody who can log in as admin over "/": otherwise kForbidden, saying
// what is missing and how to get it.
Expected<void> check_exposure(const ListenAddress& listen, bool has_tls, bool has_admin);

}  // namespace egress::server
