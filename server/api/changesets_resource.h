// /api/changesets: any mix of policy changes, in force together or not at all.
#pragma once

#include "server/api/route.h"
#include "server/service/changesets.h"

namespace egress::server {

Result<Response> apply_changeset(Changesets& changesets, const Clock& clock, const Request& request);

}  // namespace egress::server
