// The server's answer to a manifest as text for a person.
#pragma once

#include <string>
#include <string_view>

#include "preload/cli/manifest_text.h"
#include "shared/manifest/problem.h"

namespace egress {

// What POST /api/manifests answers: {applied: [{kind, namespace, name, result}], warnings, restricts}. Warnings that
// are among `known` were shown already. Fields that are missing or of another type show as empty: the server may be of
// another version.
std::string render_applied(std::string_view json, const ManifestText& manifest, const std::vector<Problem>& known);

// What its refusals add to their message: positions, widened ancestors, uncovered descendants, failed tests. Empty if
// there is nothing to add.
std::string render_apply_refusal(std::string_view json, const ManifestText& manifest);

}  // namespace egress
