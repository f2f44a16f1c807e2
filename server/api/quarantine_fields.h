// What whoever cuts a namespace off is told: that it does not close what is open.
#pragma once

#include <cstddef>

#include "server/api/fields.h"

namespace egress::server {

inline void add_quarantine(Json& answer, std::size_t live_sessions) {
  answer["live_sessions"] = live_sessions;
  answer["note"] = "new connections are refused at once; connections that are established remain";
}

}  // namespace egress::server
