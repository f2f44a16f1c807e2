// From a bundle's envelope to a linked policy: verification and linking on the pool, missing layers from the server.
// Publishes nothing. Runs on the agent's main thread; whoever owns it keeps it until its coroutines end.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/bundle_intake.h"
#include "preload/agent/http_client.h"
#include "preload/agent/policy.h"
#include "preload/agent/session_identity.h"

namespace egress {

// A request to the server's API, with the session's token if it has one.
HttpRequest make_api_request(std::string target, const std::string& token);

// For the session's policy: what it claims to be, as far as it claims anything.
HttpRequest make_bundle_request(const SessionKey& key);

// Whether the policy refuses exactly these as the control plane.
bool is_linked_for(const Policy& policy, const std::vector<Endpoint>& control_plane);

class BundleFetch {
 public:
  // All outlive it.
  BundleFetch(boost::asio::thread_pool& pool, BundleIntake& intake, HttpClient& client, const Workload& workload,
              const std::string& token)
      : pool_(pool), intake_(intake), client_(client), workload_(workload), token_(token) {}

  // `good` itself if the bundle says what is in force already. `*offered`: the revision, as soon as it is verified.
  boost::asio::awaitable<Expected<PolicyPtr>> build(std::string envelope_json, BundleExpectation expected,
                                                    PolicyPtr good, std::uint64_t* offered);

  // The same policy for the addresses that the server has now.
  boost::asio::awaitable<Expected<PolicyPtr>> relink(PolicyPtr policy);

 private:
  boost::asio::awaitable<Expected<void>> fetch_missing(std::shared_ptr<VerifiedManifest> verified);
  boost::asio::awaitable<Expected<PolicyPtr>> link(std::shared_ptr<VerifiedManifest> verified);

  boost::asio::thread_pool& pool_;
  BundleIntake& intake_;
  HttpClient& client_;
  const Workload& workload_;
  const std::string& token_;
};

}  // namespace egress
