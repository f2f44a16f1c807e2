// getaddrinfo under policy (interception.md, rule 9): the agent judges the name, libc looks it up, the agent has the
// answer bound before the program sees it. Every list it returns is made by libc, so that freeaddrinfo takes it.
#pragma once

#include <netdb.h>

#include "preload/library/state.h"

namespace egress {

using GetAddrInfo = int (*)(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

// `real` is libc's getaddrinfo, or what stands in front of it.
int resolve(State& state, GetAddrInfo real, const char* node, const char* service, const addrinfo* hints,
            addrinfo** result) noexcept;

}  // namespace egress
