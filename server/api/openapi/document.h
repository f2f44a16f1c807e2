// The API's description as an OpenAPI 3.1 document: the route table with what the resources say of its lines.
#pragma once

#include <span>
#include <string>

#include "server/api/openapi/operation.h"
#include "server/api/route.h"

namespace egress::server::openapi {

// nullptr if the description has no such call.
const Operation* find_operation(const Description& description, const Route& route);

// One line of JSON. Routes without an operation are left out: a test sees to it that there are none.
std::string render_openapi(std::span<const Route> routes, const Description& description);

}  // namespace egress::server::openapi
