// /api/manifests: policy documents in and out, as YAML or JSON.
#pragma once

#include "server/api/route.h"
#include "server/service/manifest_listing.h"
#include "server/service/manifests.h"

namespace egress::server {

Result<Response> apply_manifest(Manifests& manifests, const Request& request);
Result<Response> list_manifests(ManifestListing& listing, const Request& request);
Result<Response> remove_manifest(Manifests& manifests, const Request& request);

}  // namespace egress::server
