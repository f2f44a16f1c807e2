// The resources' descriptions: one file each, and all of them together. A call is described in the file of its
// resource, named after it; a route without a description fails a test.
#pragma once

#include "server/api/openapi/operation.h"

namespace egress::server::openapi {

Description describe_audit();
Description describe_bundle();
Description describe_changesets();
Description describe_egress_policy();
Description describe_explain();
Description describe_manifests();
Description describe_mode();
Description describe_namespaces();
Description describe_otlp();
Description describe_revisions();
Description describe_server();
Description describe_session();
Description describe_tokens();
Description describe_workloads();

// All of the above, and what they share.
Description describe_resources();

// Parameters that many calls take.
Parameter limit_parameter(std::size_t otherwise, std::size_t max);
Parameter cursor_parameter();
Parameter force_parameter(const std::string& description);
Parameter dry_run_parameter();
Parameter namespace_parameter(const std::string& name, const std::string& description, bool required = false);

// The fields of calls that a change-set's operations have too.
std::vector<Field> egress_put_fields(bool is_allowed);
std::vector<Field> namespace_put_fields();

}  // namespace egress::server::openapi
