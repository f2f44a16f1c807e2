// The refusals of manifests, with the fields that the API promises (control-plane.md, /api/manifests).
#pragma once

#include <string>
#include <vector>

#include "server/service/policy_tests.h"
#include "server/service/refusal.h"
#include "shared/manifest/problem.h"

namespace egress::server {

nlohmann::ordered_json render_problems(const std::vector<Problem>& problems);

// invalid_manifest. `problems` must not be empty.
tl::unexpected<Refusal> refuse_manifest(const std::vector<Problem>& problems);
// policy_tests_failed. `failures` must not be empty.
tl::unexpected<Refusal> refuse_failed_tests(const std::vector<TestFailure>& failures);
// document_in_use. `referrers` must not be empty.
tl::unexpected<Refusal> refuse_document_in_use(const std::string& document, const std::vector<std::string>& referrers);
// document_not_found.
tl::unexpected<Refusal> refuse_unknown_document(const std::string& document);

}  // namespace egress::server
