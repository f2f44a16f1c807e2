// A reported denial as an audit row: proxy_domain_denied, or proxy_domain_would_deny in shadow and discovery.
#pragma once

#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/otlp/record.h"

namespace egress::server {

// Nothing for decisions that allowed and for dropped-event counts.
void audit_denial(Writer& writer, UnixMillis now_ms, const DecisionRecord& decision, const ReceivedRecord& received);

}  // namespace egress::server
