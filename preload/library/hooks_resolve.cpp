// The hooks for names. Wrappers only.
#include "preload/library/export.h"
#include "preload/library/real_calls.h"
#include "preload/library/resolve.h"

EGRESS_HOOK int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  return egress::resolve(egress::process_state(), egress::call_real_getaddrinfo, node, service, hints, result);
}
