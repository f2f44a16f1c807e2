// Keeps one session's policy the server's newest: long poll, verification and linking on the pool, publication, status
// posts; the stored bundle while the server does not answer; and what max_stale asks for. Any failure keeps the last
// good policy; the server's word that there is none takes it away. Runs on the agent's main thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "preload/agent/backoff.h"
#include "preload/agent/bundle_fetch.h"
#include "preload/agent/bundle_intake.h"
#include "preload/agent/http_client.h"
#include "preload/agent/policy_source.h"
#include "preload/agent/server_refusal.h"
#include "preload/agent/session.h"

namespace egress {

class PolicySync final : public PolicySource, public std::enable_shared_from_this<PolicySync> {
 public:
  PolicySync(SyncServices& services, std::shared_ptr<Session> session);

  void start() override;
  void stop() override;

  // Until the session has its first policy or the word that there is none (ServerRefusal); at most 4 s after the
  // session began. Later callers of a session without policy trigger an attempt and wait for its outcome, at most 500
  // ms.
  boost::asio::awaitable<void> wait_for_policy() override;

  // One line for a person: why there is no policy, which server, what to do. Empty if there is one.
  std::string describe_absence() const override;

 private:
  using Clock_ = std::chrono::steady_clock;
  using Self = std::shared_ptr<PolicySync>;
  enum class Outcome { kChanged, kUnchanged, kWithheld, kFailed };

  static boost::asio::awaitable<void> run(Self self);
  static boost::asio::awaitable<void> serve_stored(Self self);
  boost::asio::awaitable<void> pause(std::chrono::milliseconds wait);
  boost::asio::awaitable<Outcome> poll();
  boost::asio::awaitable<Outcome> take_bundle(HttpResponse response);
  boost::asio::awaitable<Expected<void>> follow_endpoints();
  boost::asio::awaitable<void> post_status(std::uint64_t offered, std::string error);

  BundleExpectation expectation() const;
  Expected<void> publish(PolicyPtr policy);
  Outcome withhold(const ServerRefusal& refusal);
  void persist(std::string envelope_json);
  void note_contact();
  void note_failure(const std::string& message);
  void apply_staleness();
  UnixMillis valid_until(const Manifest& manifest) const;
  bool is_settled() const { return session_->has_policy() || withheld_.has_value(); }
  void wake_waiters();

  SyncServices& services_;
  std::shared_ptr<Session> session_;
  HttpClient client_;
  BundleFetch fetch_;
  Backoff backoff_;
  Backoff refused_backoff_;
  boost::asio::steady_timer pause_;
  boost::asio::strand<boost::asio::thread_pool::executor_type> disk_order_;  // later writes come later
  std::list<boost::asio::steady_timer> waiters_;
  Clock_::time_point started_;
  PolicyPtr good_;  // the last good policy, in force or held back while stale
  std::string etag_;
  std::uint64_t floor_ = 0;  // no lower revision is accepted
  std::uint64_t offered_ = 0;
  std::uint64_t attempts_ = 0;
  std::size_t posted_processes_ = 0;
  std::optional<NoPolicyCause> withheld_;  // the server said that there is none
  bool server_is_untrusted_ = false;       // what answers did not prove to be the server
  bool stopped_ = false;
};

}  // namespace egress
