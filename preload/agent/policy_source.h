// Where a session's policy comes from: a server (PolicySync) or a file (FilePolicy). Publishes into the session; runs
// on the agent's main thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <string>

#include "preload/agent/bundle_intake.h"
#include "preload/agent/policy_registry.h"
#include "preload/agent/session.h"
#include "shared/base/clock.h"

namespace egress {

// What all of them share. Outlives them.
struct SyncServices {
  boost::asio::any_io_executor executor;
  boost::asio::thread_pool& pool;
  BundleIntake& intake;
  BundleStore& store;
  PolicyRegistry& policies;
  const Clock& clock;
  std::string agent_id;
  std::string host_name;
  std::function<void(Session&)> before_publish;                // drains the session's rings
  std::function<std::size_t(const Session&)> count_processes;  // of those that said hello
};

class PolicySource {
 public:
  PolicySource() = default;
  virtual ~PolicySource() = default;
  PolicySource(const PolicySource&) = delete;
  PolicySource& operator=(const PolicySource&) = delete;

  virtual void start() = 0;
  virtual void stop() = 0;

  // Until the session has its first policy, or the word that there is none, or a hello can wait no longer.
  virtual boost::asio::awaitable<void> wait_for_policy() = 0;

  // One line for a person: why there is no policy and what to do. Empty if there is one.
  virtual std::string describe_absence() const = 0;
};

}  // namespace egress
