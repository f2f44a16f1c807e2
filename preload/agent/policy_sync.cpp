#include "preload/agent/policy_sync.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "preload/agent/pool_work.h"
#include "shared/base/limits.h"

namespace asio = boost::asio;

namespace egress {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPolicyPatience = 4s;
constexpr auto kStoredPolicyPatience = 1s;
constexpr auto kRetryPatience = 500ms;
constexpr int kLongPollS = 60;
constexpr auto kLongPollDeadline = 75s;
constexpr auto kFirstPollDeadline = 4s;
constexpr auto kStatusDeadline = 5s;
// A server (or a proxy) that answers long polls at once must not be asked in a tight loop.
constexpr auto kMinPollInterval = 1s;
constexpr auto kUnknownNamespaceInterval = 1s;
constexpr std::size_t kMaxEnvelopeBytes = 2 * kMaxManifestBytes + 4096;
constexpr std::size_t kMaxMessageBytes = 512;
constexpr UnixMillis kForever = std::numeric_limits<UnixMillis>::max();
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

struct ErrorBody {
  std::string code;
  std::string message;
};

// The server's {"error", "message"}; what it does not hold stays empty. Control characters become blanks: it ends on
// people's terminals.
ErrorBody parse_error_body(const std::string& body) {
  ErrorBody result;
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return result;
  const auto text_at = [&](const char* key) {
    const auto found = json.find(key);
    std::string text = found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    text.resize(std::min(text.size(), kMaxMessageBytes));
    for (char& c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    }
    return text;
  };
  result.code = text_at("error");
  result.message = text_at("message");
  return result;
}

}  // namespace

PolicySync::PolicySync(SyncServices& services, std::shared_ptr<Session> session)
    : services_(services),
      session_(std::move(session)),
      client_(services.executor, session_->identity().server, session_->identity().key.ca),
      fetch_(services.pool, services.intake, client_, session_->workload(), session_->identity().key.token),
      backoff_(100ms, 30s),
      pause_(services.executor),
      disk_order_(services.pool.get_executor()),
      started_(Clock_::now()) {}

void PolicySync::start() {
  auto self = shared_from_this();
  asio::co_spawn(services_.executor, serve_stored(self), asio::detached);
  asio::co_spawn(services_.executor, run(self), asio::detached);
}

void PolicySync::stop() {
  stopped_ = true;
  client_.close();
  pause_.cancel();
  wake_waiters();
}

void PolicySync::wake_waiters() {
  for (auto& waiter : waiters_) waiter.cancel();
}

asio::awaitable<void> PolicySync::pause(std::chrono::milliseconds wait) {
  pause_.expires_after(wait);
  co_await pause_.async_wait(kToken);
}

asio::awaitable<void> PolicySync::wait_for_policy() {
  auto self = shared_from_this();
  const auto now = Clock_::now();
  const bool first = now < started_ + kFirstPolicyPatience;
  const auto deadline = first ? started_ + kFirstPolicyPatience : now + kRetryPatience;
  const std::uint64_t attempts_before = attempts_;
  if (!first && !is_settled()) pause_.cancel();
  const auto waiter = waiters_.emplace(waiters_.end(), services_.executor);
  while (!stopped_ && !is_settled() && (first || attempts_ == attempts_before) && Clock_::now() < deadline) {
    waiter->expires_at(deadline);
    co_await waiter->async_wait(kToken);
  }
  waiters_.erase(waiter);
}

std::string PolicySync::describe_absence() const {
  if (session_->has_policy()) return {};
  const std::string server = session_->identity().server.text();
  const std::string& error = session_->contact().error;
  if (unknown_namespace_) return error;
  if (session_->contact().stale) return "the policy is older than its max_stale and " + server + " does not answer";
  if (server_is_untrusted_) return error;
  const std::string why = error.empty() ? "no answer from " + server + " yet" : error;
  return why + "; start the server, or set EGRESS_SERVER to where it listens";
}

BundleExpectation PolicySync::expectation() const {
  const SessionIdentity& identity = session_->identity();
  return {.name = {.server = identity.server.text(),
                   .namespace_path = identity.key.namespace_path,
                   .workload = identity.key.workload,
                   .token = identity.key.token},
          .bundle_key = identity.key.bundle_key,
          .min_revision = floor_};
}

asio::awaitable<void> PolicySync::run(Self self) {
  while (!self->stopped_) {
    const auto begun = Clock_::now();
    const Outcome outcome = co_await self->poll();
    if (self->stopped_) co_return;
    ++self->attempts_;
    self->wake_waiters();
    if (outcome == Outcome::kFailed) {
      self->apply_staleness();
      co_await self->pause(self->backoff_.next());
      continue;
    }
    self->backoff_.reset();
    if (outcome == Outcome::kUnknownNamespace) co_await self->pause(kUnknownNamespaceInterval);
    if (outcome == Outcome::kUnchanged && Clock_::now() - begun < kMinPollInterval) {
      co_await self->pause(kMinPollInterval);
    }
  }
}

asio::awaitable<void> PolicySync::serve_stored(Self self) {
  auto work = [&intake = self->services_.intake, expected = self->expectation(), workload = self->session_->workload(),
               endpoints = self->client_.endpoints()] { return intake.load_stored(expected, workload, endpoints); };
  auto stored = co_await run_on_pool(self->services_.pool, std::move(work));
  if (!stored) {
    if (stored.error().code != ErrorCode::kNotFound) {
      spdlog::warn("session {}: stored bundle not used: {}", self->session_->id(), stored.error().message);
    }
    co_return;
  }
  self->floor_ = std::max(self->floor_, stored->policy->revision());
  const auto waiter = self->waiters_.emplace(self->waiters_.end(), self->services_.executor);
  const auto deadline = self->started_ + kStoredPolicyPatience;
  while (!self->stopped_ && self->attempts_ == 0 && !self->is_settled() && Clock_::now() < deadline) {
    waiter->expires_at(deadline);
    co_await waiter->async_wait(kToken);
  }
  self->waiters_.erase(waiter);
  if (self->stopped_ || self->is_settled() || self->good_) co_return;
  ContactState& contact = self->session_->contact();
  contact.last_contact_ms = std::max(contact.last_contact_ms, stored->confirmed_ms);
  self->good_ = stored->policy;
  if (auto published = self->publish(stored->policy); !published) {
    self->note_failure(published.error().message);
    co_return;
  }
  spdlog::warn("session {}: serving the stored bundle, revision {}: {}", self->session_->id(), self->good_->revision(),
               contact.error.empty() ? "the server has not answered yet" : contact.error);
  self->apply_staleness();
  self->wake_waiters();
}

UnixMillis PolicySync::valid_until(const Manifest& manifest) const {
  if (manifest.max_stale_s == 0 || manifest.stale_action == StaleAction::kKeep) return kForever;
  return session_->contact().last_contact_ms + manifest.max_stale_s * 1000;
}

Expected<void> PolicySync::publish(PolicyPtr policy) {
  services_.before_publish(*session_);
  const UnixMillis until_ms = policy->manifest ? valid_until(*policy->manifest) : kForever;
  return session_->adopt(std::move(policy), until_ms);
}

void PolicySync::note_contact() {
  ContactState& contact = session_->contact();
  contact.connected = true;
  contact.last_contact_ms = services_.clock.now_ms();
  contact.error.clear();
  if (!good_) return;
  session_->set_valid_until(valid_until(*good_->manifest));
  if (!contact.stale) return;
  contact.stale = false;
  if (session_->has_policy()) return;
  if (auto published = publish(good_); !published) note_failure(published.error().message);
}

void PolicySync::note_failure(const std::string& message) {
  ContactState& contact = session_->contact();
  if (contact.error != message) spdlog::error("session {}: {}", session_->id(), message);
  contact.error = message;
}

void PolicySync::apply_staleness() {
  ContactState& contact = session_->contact();
  if (!good_ || contact.stale || unknown_namespace_) return;
  const Manifest& manifest = *good_->manifest;
  if (manifest.max_stale_s == 0) return;
  if (services_.clock.now_ms() - contact.last_contact_ms <= manifest.max_stale_s * 1000) return;
  contact.stale = true;
  const bool deny = manifest.stale_action == StaleAction::kDeny;
  spdlog::error("session {}: no contact with {} for longer than max_stale ({} s): {}", session_->id(),
                session_->identity().server.text(), manifest.max_stale_s,
                deny ? "denying everything" : "keeping the last policy");
  if (!deny) return;
  auto nothing = make_no_policy(NoPolicyCause::kStale, good_->control_plane);
  auto published = nothing ? publish(std::move(*nothing)) : tl::unexpected(nothing.error());
  if (!published) note_failure(published.error().message);
}

asio::awaitable<PolicySync::Outcome> PolicySync::poll() {
  const SessionKey& key = session_->identity().key;
  std::string target = "/api/bundle?namespace=" + encode_query(key.namespace_path);
  if (!key.workload.empty()) target += "&workload=" + encode_query(key.workload);
  HttpRequest request = make_api_request(std::move(target), key.token);
  request.max_response_bytes = kMaxEnvelopeBytes;
  request.deadline = etag_.empty() ? std::chrono::milliseconds(kFirstPollDeadline) : kLongPollDeadline;
  if (!etag_.empty()) {
    request.headers.emplace_back("If-None-Match", etag_);
    request.headers.emplace_back("Prefer", "wait=" + std::to_string(kLongPollS));
  }
  auto response = co_await client_.send(std::move(request));
  server_is_untrusted_ = !response && (response.error().code == ErrorCode::kUntrusted ||
                                       response.error().code == ErrorCode::kInvalidArgument);
  if (!response) {
    session_->contact().connected = false;
    if (!stopped_) note_failure(response.error().message);
    co_return Outcome::kFailed;
  }
  if (response->status == 200) {
    HttpResponse offered = std::move(*response);
    co_return co_await take_bundle(std::move(offered));
  }
  if (response->status == 304 && !etag_.empty()) {
    note_contact();
    persist({});
    auto followed = co_await follow_endpoints();
    if (!followed) note_failure(followed.error().message);
    co_return Outcome::kUnchanged;
  }
  if (response->status == 404) co_return take_unknown_namespace(*response);
  const ErrorBody error = parse_error_body(response->body);
  note_failure(session_->identity().server.text() + " answered " + std::to_string(response->status) +
               " to the bundle request" + (error.message.empty() ? "" : ": " + error.message));
  co_return Outcome::kFailed;
}

PolicySync::Outcome PolicySync::take_unknown_namespace(const HttpResponse& response) {
  const ErrorBody error = parse_error_body(response.body);
  if (error.code != "namespace_unknown") {
    note_failure(session_->identity().server.text() + " has no /api/bundle: is it an egress-server?");
    return Outcome::kFailed;
  }
  ContactState& contact = session_->contact();
  contact.connected = true;
  contact.last_contact_ms = services_.clock.now_ms();
  contact.stale = false;
  note_failure(error.message.empty() ? "namespace \"" + session_->identity().key.namespace_path +
                                           "\" is not known to " + session_->identity().server.text()
                                     : error.message);
  if (unknown_namespace_) return Outcome::kUnknownNamespace;
  auto nothing = make_no_policy(NoPolicyCause::kNamespaceUnknown, client_.endpoints());
  auto published = nothing ? publish(std::move(*nothing)) : tl::unexpected(nothing.error());
  if (!published) {
    note_failure(published.error().message);
    return Outcome::kFailed;
  }
  unknown_namespace_ = true;
  good_ = nullptr;
  etag_.clear();
  // Or a restart without the server would bring back what the server took away.
  auto work = [&store = services_.store, name = expectation().name, id = session_->id()] {
    if (auto removed = store.remove_manifest(name); !removed)
      spdlog::error("session {}: {}", id, removed.error().message);
  };
  asio::post(disk_order_, std::move(work));
  return Outcome::kUnknownNamespace;
}

// Small writes; with `envelope_json` empty only the time of the last confirmation.
void PolicySync::persist(std::string envelope_json) {
  const BundleName name = expectation().name;
  auto work = [&store = services_.store, name, envelope = std::move(envelope_json), id = session_->id()] {
    const auto saved = envelope.empty() ? store.confirm_manifest(name) : store.save_manifest(name, envelope);
    if (!saved) spdlog::error("session {}: bundle not kept on disk: {}", id, saved.error().message);
  };
  asio::post(disk_order_, std::move(work));
}

asio::awaitable<PolicySync::Outcome> PolicySync::take_bundle(HttpResponse response) {
  offered_ = 0;
  std::string envelope = response.body;
  BundleExpectation expected = expectation();
  auto policy = co_await fetch_.build(std::move(envelope), std::move(expected), good_, &offered_);
  if (stopped_) co_return Outcome::kFailed;
  Expected<void> published;
  bool changed = false;
  if (policy && (*policy)->revision() < floor_) {
    policy = fail(ErrorCode::kUntrusted, "bundle refused: revision " + std::to_string((*policy)->revision()) +
                                             " is older than the one in force, " + std::to_string(floor_));
  }
  if (policy) {
    changed = !good_ || good_ != *policy;
    const PolicyPtr before = std::exchange(good_, *policy);
    note_contact();
    if (changed || !session_->has_policy()) published = publish(*policy);
    if (!published) good_ = before;
  }
  if (!policy || !published) {
    std::string why = policy ? published.error().message : policy.error().message;
    note_failure(why);
    co_await post_status(offered_, std::move(why));
    co_return Outcome::kFailed;
  }
  floor_ = good_->revision();
  unknown_namespace_ = false;
  etag_ = response.etag;
  wake_waiters();
  if (changed) {
    spdlog::info("session {}: revision {} of namespace {} is in force (generation {})", session_->id(),
                 good_->revision(), session_->identity().key.namespace_path, session_->arena().generation());
    persist(std::move(response.body));
  }
  std::string no_error;
  co_await post_status(good_->revision(), std::move(no_error));
  co_return changed ? Outcome::kChanged : Outcome::kUnchanged;
}

// The server moved: its new addresses are the control plane now.
asio::awaitable<Expected<void>> PolicySync::follow_endpoints() {
  if (!good_ || is_linked_for(*good_, client_.endpoints())) co_return Expected<void>();
  auto policy = co_await fetch_.relink(good_);
  if (!policy) co_return tl::unexpected(policy.error());
  if (stopped_) co_return Expected<void>();
  auto published = publish(*policy);
  if (published) good_ = *policy;
  co_return published;
}

asio::awaitable<void> PolicySync::post_status(std::uint64_t offered, std::string error) {
  const SessionKey& key = session_->identity().key;
  const nlohmann::json body = {{"namespace", key.namespace_path},
                               {"workload", key.workload},
                               {"host", services_.host_name},
                               {"agent_id", services_.agent_id},
                               {"offered", offered},
                               {"active", session_->policy()->revision()},
                               {"error", error}};
  HttpRequest request = make_api_request("/api/bundle/status", key.token);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  request.deadline = kStatusDeadline;
  auto response = co_await client_.send(std::move(request));
  // What the server does not learn now, its next post says; policy does not depend on it.
  if (!response) {
    spdlog::debug("session {}: status not posted: {}", session_->id(), response.error().message);
  } else if (response->status >= 300) {
    spdlog::warn("session {}: the server answered {} to a status post", session_->id(), response->status);
  }
}

}  // namespace egress
