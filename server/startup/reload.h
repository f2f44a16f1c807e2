// What SIGHUP does: certificate and key are read again, and the log level. Nothing else of a running server changes,
// and whatever cannot be taken leaves what was there in force.
#pragma once

#include "server/http/tls_context.h"
#include "server/startup/setting_sources.h"

namespace egress::server {

// `running` gets the new log level. `tls` may be null. Says in the log what it did and what it could not do.
void reload(const SettingSources& sources, ServerSettings& running, TlsContext* tls);

}  // namespace egress::server
