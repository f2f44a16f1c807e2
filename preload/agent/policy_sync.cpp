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
#include "preload/agent/server_refusal.h"
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
// A token that is refused is not asked about in a tight loop: the server counts failures.
constexpr auto kFirstRefusedInterval = 2s;
constexpr auto kLastRefusedInterval = 60s;
constexpr std::size_t kMaxEnvelopeBytes = 2 * kMaxManifestBytes + 4096;
constexpr UnixMillis kForever = std::numeric_limits<UnixMillis>::max();
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

}  // namespace

PolicySync::PolicySync(SyncServices& services, std::shared_ptr<Session> session)
    : services_(services),
      session_(std::move(session)),
      client_(services.executor, session_->identity().server, session_->identity().key.ca),
      fetch_(services.pool, services.intake, client_, session_->workload(), session_->identity().key.token),
      backoff_(100ms, 30s),
      refused_backoff_(kFirstRefusedInterval, kLastRefusedInterval),
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
  if (withheld_) return error;
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
          .min_revision = floor_,
          .labels = identity.labels,
          .target = identity.key.target,
          .authenticated = session_->workload().authenticated};
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
    if (outcome == Outcome::kWithheld) {
      const bool refused = self->withheld_ == NoPolicyCause::kRefused;
      co_await self->pause(refused ? self->refused_backoff_.next() : kUnknownNamespaceInterval);
      continue;
    }
    self->refused_backoff_.reset();
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
    if (stored.error().code == ErrorCode::kForbidden && !self->is_settled() && !self->stopped_) {
      self->withhold({NoPolicyCause::kRefused, stored.error().message, false});
    } else if (stored.error().code != ErrorCode::kNotFound) {
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
  if (!good_ || contact.stale || withheld_) return;
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
  HttpRequest request = make_bundle_request(session_->identity().key);
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
    if (services_.count_processes(*session_) != posted_processes_) {
      std::string no_error;
      co_await post_status(good_ ? good_->revision() : 0, std::move(no_error));
    }
    co_return Outcome::kUnchanged;
  }
  if (const auto refusal = find_refusal(response->status, response->body, session_->identity())) {
    ContactState& contact = session_->contact();
    contact.connected = true;
    contact.last_contact_ms = services_.clock.now_ms();
    contact.stale = false;
    co_return withhold(*refusal);
  }
  const ErrorBody error = parse_error_body(response->body);
  note_failure(response->status == 404
                   ? session_->identity().server.text() + " has no /api/bundle: is it an egress-server?"
                   : session_->identity().server.text() + " answered " + std::to_string(response->status) +
                         " to the bundle request" + (error.message.empty() ? "" : ": " + error.message));
  co_return Outcome::kFailed;
}

PolicySync::Outcome PolicySync::withhold(const ServerRefusal& refusal) {
  note_failure(refusal.message);
  if (withheld_ == refusal.cause) return Outcome::kWithheld;
  auto nothing = make_no_policy(refusal.cause, client_.endpoints());
  auto published = nothing ? publish(std::move(*nothing)) : tl::unexpected(nothing.error());
  if (!published) {
    note_failure(published.error().message);
    return Outcome::kFailed;
  }
  withheld_ = refusal.cause;
  good_ = nullptr;
  etag_.clear();
  wake_waiters();
  if (!refusal.forget_stored) return Outcome::kWithheld;
  // Or a restart without the server would bring back what the server took away.
  auto work = [&store = services_.store, name = expectation().name, id = session_->id()] {
    if (auto removed = store.remove_manifest(name); !removed)
      spdlog::error("session {}: {}", id, removed.error().message);
  };
  asio::post(disk_order_, std::move(work));
  return Outcome::kWithheld;
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
    const bool contradicted = !policy && policy.error().code == ErrorCode::kForbidden;
    const Outcome outcome = contradicted ? withhold({NoPolicyCause::kRefused, why, false}) : Outcome::kFailed;
    note_failure(why);
    co_await post_status(offered_, std::move(why));
    co_return outcome;
  }
  floor_ = good_->revision();
  withheld_.reset();
  etag_ = response.etag;
  wake_waiters();
  if (changed) {
    spdlog::info("session {}: revision {} of namespace {} is in force (generation {})", session_->id(),
                 good_->revision(), session_->workload().namespace_path, session_->arena().generation());
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
  posted_processes_ = services_.count_processes(*session_);
  nlohmann::json body = {{"host", services_.host_name},
                         {"agent_id", services_.agent_id},
                         {"offered", offered},
                         {"active", session_->policy()->revision()},
                         {"error", error},
                         {"processes", posted_processes_}};
  // Where the registration is not known here, the server takes it from the token.
  const Workload& workload = session_->workload();
  const std::string& token = session_->identity().key.token;
  if (workload.authenticated || token.empty()) {
    body["namespace"] = workload.namespace_path;
    body["workload"] = workload.name;
  }
  HttpRequest request = make_api_request("/api/bundle/status", token);
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
