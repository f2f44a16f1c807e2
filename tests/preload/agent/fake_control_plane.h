// A small server over FakeServer: signed bundles with ETags and long polls, layers by hash, and what agents post.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/preload/agent/bundle_fixture.h"
#include "tests/preload/agent/fake_server.h"

namespace egress {

class FakeControlPlane {
 public:
  FakeControlPlane();
  ~FakeControlPlane();

  std::string url() const { return server_->url(); }
  const SigningKey& key() const { return key_; }

  // What GET /api/bundle answers from now on; wakes long polls.
  void offer(const std::vector<Rule>& rules, std::uint64_t revision, Manifest manifest = {});
  void offer_envelope(std::string envelope);
  void forget_namespace();
  // Every request gets this answer instead, until cleared with nullopt.
  void answer_everything(std::optional<FakeServer::Response> response);
  // Corrupts each layer on its way out.
  void damage_layers(bool damaged);

  // Blocks until `count` requests whose target starts with `prefix` were answered; their bodies.
  std::vector<std::string> wait_for(const std::string& prefix, std::size_t count);
  std::size_t count(const std::string& prefix) const;
  // Of those answered so far whose target starts with `prefix`.
  std::vector<FakeServer::Request> requests(const std::string& prefix) const;

 private:
  FakeServer::Response answer(const FakeServer::Request& request);
  FakeServer::Response answer_bundle(const FakeServer::Request& request, std::unique_lock<std::mutex>& lock);

  SigningKey key_ = SigningKey::generate();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::string envelope_;
  std::uint64_t version_ = 0;
  bool namespace_known_ = false;
  bool damaged_ = false;
  std::optional<FakeServer::Response> everything_;
  std::map<std::string, std::string> layers_;
  std::vector<FakeServer::Request> requests_;
  std::unique_ptr<FakeServer> server_;
};

}  // namespace egress
