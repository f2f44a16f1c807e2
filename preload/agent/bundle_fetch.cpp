#include "preload/agent/bundle_fetch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "preload/agent/pool_work.h"
#include "shared/base/limits.h"

namespace asio = boost::asio;

namespace egress {
namespace {

constexpr auto kLayerDeadline = std::chrono::seconds(120);

}  // namespace

HttpRequest make_api_request(std::string target, const std::string& token) {
  HttpRequest request;
  request.target = std::move(target);
  request.headers.emplace_back("Accept", "application/json");
  if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
  return request;
}

HttpRequest make_bundle_request(const SessionKey& key) {
  std::string query;
  if (!key.namespace_path.empty()) query += "&namespace=" + encode_query(key.namespace_path);
  if (!key.workload.empty()) query += "&workload=" + encode_query(key.workload);
  if (!query.empty()) query.front() = '?';
  return make_api_request("/api/bundle" + query, key.token);
}

bool is_linked_for(const Policy& policy, const std::vector<Endpoint>& control_plane) {
  const auto& linked = policy.control_plane;
  return std::equal(linked.begin(), linked.end(), control_plane.begin(), control_plane.end(),
                    [](const Endpoint& a, const Endpoint& b) { return a.address == b.address && a.port == b.port; });
}

asio::awaitable<Expected<PolicyPtr>> BundleFetch::build(std::string envelope_json, BundleExpectation expected,
                                                        PolicyPtr good, std::uint64_t* offered) {
  auto work = [&intake = intake_, expected = std::move(expected), envelope = std::move(envelope_json)] {
    return intake.verify_manifest(envelope, expected, true);
  };
  auto verified = co_await run_on_pool(pool_, std::move(work));
  if (!verified) co_return tl::unexpected(verified.error());
  *offered = verified->manifest.revision;
  if (good && good->manifest_json == verified->manifest_json && is_linked_for(*good, client_.endpoints())) {
    co_return good;
  }
  auto whole = std::make_shared<VerifiedManifest>(std::move(*verified));
  auto fetched = co_await fetch_missing(whole);
  if (!fetched) co_return tl::unexpected(fetched.error());
  co_return co_await link(whole);
}

asio::awaitable<Expected<PolicyPtr>> BundleFetch::relink(PolicyPtr policy) {
  auto again = std::make_shared<VerifiedManifest>();
  again->manifest = *policy->manifest;
  again->manifest_json = policy->manifest_json;
  again->layers = policy->layers;
  co_return co_await link(again);
}

asio::awaitable<Expected<PolicyPtr>> BundleFetch::link(std::shared_ptr<VerifiedManifest> verified) {
  auto work = [&intake = intake_, verified, workload = workload_, endpoints = client_.endpoints()] {
    return intake.link(std::move(*verified), workload, endpoints);
  };
  auto policy = co_await run_on_pool(pool_, std::move(work));
  co_return policy;
}

asio::awaitable<Expected<void>> BundleFetch::fetch_missing(std::shared_ptr<VerifiedManifest> verified) {
  for (std::size_t i = 0; i < verified->layers.size(); ++i) {
    if (verified->layers[i] != nullptr) continue;
    const LayerRef ref = verified->manifest.stack[i];
    if (ref.size_bytes > kMaxLayerBytes) {
      co_return fail(ErrorCode::kTooLarge, "layer \"" + ref.id + "\" has " + std::to_string(ref.size_bytes) +
                                               " bytes, more than the limit of " + std::to_string(kMaxLayerBytes));
    }
    HttpRequest request = make_api_request("/api/layers/" + format_sha256(ref.hash), token_);
    request.max_response_bytes = ref.size_bytes;
    request.deadline = kLayerDeadline;
    auto response = co_await client_.send(std::move(request));
    if (!response) co_return tl::unexpected(response.error());
    if (response->status != 200) {
      co_return fail(ErrorCode::kUnavailable,
                     "the server answered " + std::to_string(response->status) + " for layer \"" + ref.id + "\"");
    }
    auto work = [&intake = intake_, ref, bytes = std::move(response->body)] { return intake.admit_layer(ref, bytes); };
    auto layer = co_await run_on_pool(pool_, std::move(work));
    if (!layer) co_return tl::unexpected(layer.error());
    verified->layers[i] = std::move(*layer);
  }
  co_return Expected<void>();
}

}  // namespace egress
