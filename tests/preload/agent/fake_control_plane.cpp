#include "tests/preload/agent/fake_control_plane.h"

#include <chrono>
#include <stdexcept>

namespace egress {
namespace {

// A test that waits this long has failed.
constexpr auto kPatience = std::chrono::seconds(30);

}  // namespace

FakeControlPlane::FakeControlPlane() {
  server_ = std::make_unique<FakeServer>([this](const FakeServer::Request& request) { return answer(request); });
}

FakeControlPlane::~FakeControlPlane() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  server_.reset();
}

void FakeControlPlane::offer(const std::vector<Rule>& rules, std::uint64_t revision, Manifest manifest) {
  const auto made = make_bundle(key_, revision, "demo", rules, std::move(manifest));
  {
    const std::lock_guard lock(mutex_);
    layers_.insert(made.layers.begin(), made.layers.end());
  }
  offer_envelope(made.envelope);
}

void FakeControlPlane::offer_envelope(std::string envelope) {
  const std::lock_guard lock(mutex_);
  envelope_ = std::move(envelope);
  namespace_known_ = true;
  ++version_;
  changed_.notify_all();
}

void FakeControlPlane::forget_namespace() {
  const std::lock_guard lock(mutex_);
  namespace_known_ = false;
  ++version_;
  changed_.notify_all();
}

void FakeControlPlane::answer_everything(std::optional<FakeServer::Response> response) {
  const std::lock_guard lock(mutex_);
  everything_ = std::move(response);
  ++version_;
  changed_.notify_all();
}

void FakeControlPlane::damage_layers(bool damaged) {
  const std::lock_guard lock(mutex_);
  damaged_ = damaged;
}

std::vector<std::string> FakeControlPlane::wait_for(const std::string& prefix, std::size_t count) {
  std::unique_lock lock(mutex_);
  std::vector<std::string> bodies;
  const bool arrived = changed_.wait_for(lock, kPatience, [&] {
    bodies.clear();
    for (const auto& request : requests_) {
      if (request.target.starts_with(prefix)) bodies.push_back(request.body);
    }
    return bodies.size() >= count;
  });
  if (!arrived) throw std::runtime_error("no " + std::to_string(count) + " requests to " + prefix);
  return bodies;
}

std::size_t FakeControlPlane::count(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::size_t number = 0;
  for (const auto& request : requests_) number += request.target.starts_with(prefix) ? 1 : 0;
  return number;
}

std::vector<FakeServer::Request> FakeControlPlane::requests(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<FakeServer::Request> found;
  for (const auto& request : requests_) {
    if (request.target.starts_with(prefix)) found.push_back(request);
  }
  return found;
}

FakeServer::Response FakeControlPlane::answer(const FakeServer::Request& request) {
  std::unique_lock lock(mutex_);
  FakeServer::Response response;
  if (everything_) {
    response = *everything_;
  } else if (request.target == "/api/bundle" || request.target.starts_with("/api/bundle?")) {
    response = answer_bundle(request, lock);
  } else if (request.target.starts_with("/api/layers/")) {
    const auto layer = layers_.find(request.target.substr(std::string("/api/layers/").size()));
    response.status = layer == layers_.end() ? 404 : 200;
    if (layer != layers_.end()) response.body = layer->second;
    if (damaged_ && !response.body.empty()) response.body.back() = static_cast<char>(response.body.back() ^ 1);
  } else {
    response.body = "{}";
  }
  requests_.push_back(request);
  changed_.notify_all();
  return response;
}

FakeServer::Response FakeControlPlane::answer_bundle(const FakeServer::Request& request,
                                                     std::unique_lock<std::mutex>& lock) {
  const auto tag = request.headers.find("if-none-match");
  if (tag != request.headers.end() && request.headers.contains("prefer")) {
    changed_.wait(lock,
                  [&] { return stopped_ || everything_ || tag->second != "\"" + std::to_string(version_) + "\""; });
  }
  if (everything_) return *everything_;
  if (!namespace_known_) {
    return {.status = 404,
            .body = R"({"error":"namespace_unknown","message":"namespace demo does not exist: create it"})"};
  }
  const std::string current = "\"" + std::to_string(version_) + "\"";
  if (tag != request.headers.end() && tag->second == current) return {.status = 304, .headers = {{"ETag", current}}};
  return {.status = 200, .headers = {{"ETag", current}}, .body = envelope_};
}

}  // namespace egress
