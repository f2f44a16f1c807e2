// /api/fleet/namespaces: the namespace tree.
#pragma once

#include "server/api/route.h"
#include "server/service/namespaces.h"

namespace egress::server {

Result<Response> list_namespaces(Namespaces& namespaces, const Request& request);
Result<Response> put_namespace(Namespaces& namespaces, const Request& request);
Result<Response> remove_namespace(Namespaces& namespaces, const Request& request);

}  // namespace egress::server
